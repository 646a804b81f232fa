// What keeps a process alive, what does not, and workers.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { Producer } from 'ferromq';
import { withServer } from 'ferromq/testing';

const run = promisify(execFile);
const node = (script, ...args) =>
  run(process.execPath, ['--input-type=module', '--unhandled-rejections=strict', '-e', script, ...args], {
    cwd: import.meta.dirname ?? new URL('.', import.meta.url).pathname,
    timeout: 30_000,
  });

test('an idle consumer lets the process end, one that was asked to does not', () =>
  withServer(async (server) => {
    const script = (keepAlive) => `
      import { Consumer } from 'ferromq';
      Consumer.start({ namesrvAddr: '${server.address}', consumerGroup: 'G', subscriptions: { T: '*' },
                       keepAlive: ${keepAlive} })
        .then(async (consumer) => {
          ${keepAlive ? 'setTimeout(() => consumer.close(), 300).unref();' : ''}
          for await (const batch of consumer) batch.ack();
          console.log('closed');
        });`;
    assert.equal((await node(script(false))).stdout, '');
    assert.equal((await node(script(true))).stdout, 'closed\n');
  }, { topics: { T: 1 } }));

test('sends on their way keep the process alive', () =>
  withServer(async (server) => {
    const { stdout } = await node(`
      import { Producer } from 'ferromq';
      Producer.start({ namesrvAddr: '${server.address}' }).then((producer) => {
        for (let n = 0; n < 100; n++) {
          producer.send({ topic: 'T', body: 'x' }).then(() => n === 99 && console.log('sent'));
        }
      });`);
    assert.equal(stdout, 'sent\n');
  }, { topics: { T: 1 } }));

test('four workers load, send and poll, and are terminated in the midst of it', () =>
  withServer(async (server) => {
    const source = `
      const { parentPort, workerData } = require('node:worker_threads');
      const { Consumer, Producer } = require('ferromq');
      (async () => {
        const { address, index } = workerData;
        const settings = { namesrvAddr: address, instanceName: 'worker' + index };
        const producer = await Producer.start(settings);
        const consumer = await Consumer.start({ ...settings, consumerGroup: 'G' + index, keepAlive: true,
          subscriptions: { T: '*' }, consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET' });
        const send = () => producer.send({ topic: 'T', body: Buffer.alloc(index % 2 ? 100 : 10000) }).then(send);
        for (let n = 0; n < 10; n++) send();
        let count = 0;
        for await (const batch of consumer) {
          for (const message of batch) count += message.body.length > 0 ? 1 : 0;
          if (count >= 50) parentPort.postMessage(count);
        }
      })();`;
    for (let round = 0; round < 3; round++) {
      const workers = Array.from({ length: 4 }, (_, index) =>
        new Worker(source, { eval: true, workerData: { address: server.address, index: 4 * round + index } }));
      await Promise.all(workers.map((worker) => once(worker, 'message')));
      await Promise.all(workers.map((worker) => worker.terminate()));
    }
    // This thread goes on as if nothing had been.
    const producer = await Producer.start(server.client);
    assert.equal((await producer.send({ topic: 'T', body: 'x' })).status, 'OK');
    await producer.close();
  }, { topics: { T: 4 } }));

test('the process ends in the midst of everything', () =>
  withServer(async (server) => {
    const { stdout } = await node(`
      import { Consumer, Producer, Server } from 'ferromq';
      const server = await Server.start();
      const producer = await Producer.start({ namesrvAddr: '${server.address}' });
      const consumer = await Consumer.start({ namesrvAddr: '${server.address}', consumerGroup: 'G',
        subscriptions: { T: '*' }, keepAlive: true });
      for (let n = 0; n < 500; n++) producer.send({ topic: 'T', body: 'x' });
      for await (const batch of consumer) {
        console.log('end');
        process.exit(0);
      }`);
    assert.equal(stdout, 'end\n');
  }, { topics: { T: 4 } }));

test('npx ferromq runs the program', async () => {
  const { stdout } = await run(process.execPath, [new URL('../bin/ferromq.cjs', import.meta.url).pathname, '--version']);
  assert.match(stdout, /^ferromq \d+\.\d+\.\d+/);
  await assert.rejects(
    run(process.execPath, [new URL('../bin/ferromq.cjs', import.meta.url).pathname, 'nonsense']),
    (error) => error.code === 2,
  );
});
