// The clients against a server of their own.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { Admin, Consumer, ERROR_NUMBERS, FerroMQError, Producer, PullConsumer, Server, version } from 'ferromq';
import { TestServer, withServer } from 'ferromq/testing';

const require = createRequire(import.meta.url);
const native = require('../native/index.cjs');
const code = (name) => (error) => error instanceof FerroMQError && error.code === name;

/** Options of a consumer that reads from the beginning and keeps the test alive. */
const group = (server, consumerGroup, rest = {}) => ({
  ...server.client,
  consumerGroup,
  consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
  keepAlive: true,
  ...rest,
});

test('the table of errors is that of the core', () => {
  assert.deepEqual(ERROR_NUMBERS, JSON.parse(native.errors()));
  assert.equal(version, require('../package.json').version);
});

test('an error of one kind of module is one of the other', () => {
  const common = require('ferromq');
  assert.notEqual(common.FerroMQError, FerroMQError);
  const error = new common.FerroMQError('CLOSED', 'x');
  assert.ok(error instanceof FerroMQError);
  assert.ok(!(new Error('x') instanceof FerroMQError));
});

test('messages arrive with all that was sent along', () =>
  withServer(async (server) => {
    const producer = await Producer.start(server.client);
    const large = Buffer.alloc(100_000, 'ß');
    const body = Buffer.from([0, 255, 0, 254]);
    const receipt = producer.send({
      topic: 'T', body, tag: 'greeting', keys: ['k1', 'k2'], flag: 7, properties: { город: 'Москва' },
    });
    body.fill(1); // Copied before the call returned.
    assert.equal((await receipt).status, 'OK');
    assert.equal(typeof (await receipt).queueOffset, 'bigint');
    await producer.send({ topic: 'T', body: large });
    await producer.send({ topic: 'T', body: 'Zażółć→😀' });
    const consumer = await Consumer.start(group(server, 'G', { subscriptions: { T: '*' } }));
    const all = [];
    for await (const batch of consumer) {
      all.push(...batch.messages);
      if (all.length === 3) {
        batch.ack();
        break;
      }
    }
    const first = all.find((message) => message.tag === 'greeting');
    assert.deepEqual([...first.body], [0, 255, 0, 254]);
    assert.deepEqual(first.keys, ['k1', 'k2']);
    assert.equal(first.flag, 7);
    assert.equal(first.properties['город'], 'Москва');
    assert.equal(first.messageId, (await receipt).messageId);
    assert.equal(first.offsetMessageId, (await receipt).offsetMessageId);
    assert.deepEqual(first.queue, (await receipt).queue);
    assert.equal(first.queueOffset, (await receipt).queueOffset);
    assert.equal(first.reconsumeTimes, 0);
    assert.ok(Math.abs(first.storeTimestamp - Date.now()) < 60_000);
    assert.match(first.bornHost, /^127\.0\.0\.1:\d+$/);
    assert.ok(all.some((message) => message.body.equals(large)));
    assert.ok(all.some((message) => message.text() === 'Zażółć→😀'));
    await assert.rejects(consumer.poll(), code('CLOSED'));
    await producer.close();
    await producer.close();
    await assert.rejects(producer.send({ topic: 'T', body: 'x' }), code('CLOSED'));
  }));

test('closing waits for what is on its way, however it was sent', () =>
  withServer(async (server) => {
    const producer = await Producer.start(server.client);
    const sends = [];
    for (let n = 0; n < 50; n++) {
      sends.push(producer.send({ topic: 'T', body: 'x' }));
      sends.push(producer.send({ topic: 'T', body: 'x' }, { orderingKey: String(n) }));
      sends.push(producer.sendBatch([{ topic: 'T', body: 'x' }, { topic: 'T', body: 'y' }]));
    }
    // The first of them have reached the core by then, those behind may come too late.
    const first = await sends[0];
    assert.equal(first.status, 'OK');
    await producer.close();
    for (const outcome of await Promise.allSettled(sends)) {
      if (outcome.status === 'rejected') assert.equal(outcome.reason.code, 'CLOSED', outcome.reason.message);
    }
  }, { topics: { T: 4 } }));

test('large bodies are seen where they were received, small ones lie together', () =>
  withServer(async (server) => {
    const producer = await Producer.start({ ...server.client, compressMsgBodyOverHowmuch: 1 << 20 });
    const sizes = [100, 4095, 4096, 50_000, 200];
    for (const size of sizes) await producer.send({ topic: 'T', body: Buffer.alloc(size, size % 251) });
    const consumer = await PullConsumer.start(group(server, 'G'));
    await consumer.assign(await consumer.topicQueues('T'));
    const all = [];
    while (all.length < sizes.length) all.push(...(await consumer.poll()));
    await consumer.close();
    await producer.close();
    assert.deepEqual(all.map(({ body }) => body.length), sizes);
    for (const { body } of all) {
      assert.ok(body.every((byte) => byte === body.length % 251));
      // A buffer of its own has just the body behind it.
      assert.equal(body.buffer.byteLength === body.length, body.length >= 4096);
    }
  }, { topics: { T: 1 } }));

test('batches, ordering keys and queues of choice', () =>
  withServer(async (server) => {
    const producer = await Producer.start(server.client);
    const receipt = await producer.sendBatch([
      { topic: 'T', body: 'one', tag: 'a' },
      { topic: 'T', body: Buffer.from('zwei') },
      { topic: 'T', body: 'drei→', properties: { n: '3' } },
    ]);
    assert.equal(receipt.messageId.split(',').length, 3);
    const queues = await producer.queues('T');
    assert.equal(queues.length, 4);
    const sent = await producer.send({ topic: 'T', body: 'x' }, { queue: queues[2] });
    assert.deepEqual(sent.queue, queues[2]);
    const places = await Promise.all(
      Array.from({ length: 5 }, () => producer.send({ topic: 'T', body: 'y' }, { orderingKey: 'k' })),
    );
    assert.equal(new Set(places.map(({ queue }) => queue.queueId)).size, 1);
    const pull = await PullConsumer.start(group(server, 'P'));
    await pull.assign([receipt.queue]);
    const bodies = [];
    while (bodies.length < 3) {
      for (const message of await pull.poll()) bodies.push([message.text(), message.tag, message.properties.n]);
    }
    assert.deepEqual(bodies.slice(0, 3), [['one', 'a', undefined], ['zwei', undefined, undefined], ['drei→', undefined, '3']]);
    await assert.rejects(producer.sendBatch([{ topic: 'T', body: 'x' }, { topic: 'U', body: 'x' }]), code('INVALID_ARGUMENT'));
    await assert.rejects(producer.sendBatch([]), code('INVALID_ARGUMENT'));
    await pull.close();
    await producer.close();
  }, { topics: { T: 4 } }));

test('what is given back comes again, what is left behind by a loop too', () =>
  withServer(async (server) => {
    const producer = await Producer.start(server.client);
    await producer.send({ topic: 'T', body: 'again' });
    const options = group(server, 'G', { subscriptions: { T: '*' } });
    const consumer = await Consumer.start(options);
    const batch = await consumer.poll({ timeoutMs: 10_000 });
    assert.equal(batch.messages[0].retryLater(1), true);
    assert.equal(batch.messages[0].ack(), false);
    await assert.rejects(async () => {
      for await (const { messages } of consumer) {
        assert.equal(messages[0].text(), 'again');
        assert.equal(messages[0].reconsumeTimes, 1);
        assert.equal(messages[0].topic, 'T');
        throw new Error('of the application');
      }
    }, /of the application/);
    const next = await Consumer.start({ ...options, instanceName: 'next' });
    const again = await next.poll({ timeoutMs: 30_000 });
    assert.equal(again.messages[0].text(), 'again');
    again.ack();
    await next.close();
    await producer.close();
  }, { topics: { T: 1 }, messageDelayLevel: '1s 1s 1s 1s 1s 1s' }));

test('a handler that fails gets its message again', () =>
  withServer(async (server) => {
    const producer = await Producer.start(server.client);
    for (let n = 0; n < 20; n++) await producer.send({ topic: 'T', body: String(n) });
    const consumer = await Consumer.start(group(server, 'G', { subscriptions: { T: '*' } }));
    const seen = new Map();
    const errors = [];
    const rebalances = [];
    consumer.events.on('error', (error, message) => errors.push([error.message, message.text()]));
    consumer.events.on('rebalance', (queues) => rebalances.push(queues.length));
    await consumer.run(async (message) => {
      const text = message.text();
      seen.set(text, (seen.get(text) ?? 0) + 1);
      if (text === '7' && message.reconsumeTimes === 0) throw new Error('not seven');
      if (seen.size === 20 && seen.get('7') === 2) setImmediate(() => consumer.close());
    }, { concurrency: 4 });
    assert.deepEqual(errors, [['not seven', '7']]);
    assert.ok(rebalances.includes(3), String(rebalances));
    await producer.close();
  }, { topics: { T: 2 }, messageDelayLevel: '1s 1s 1s 1s 1s 1s' }));

test('operations end by their signal and their time', () =>
  withServer(async (server) => {
    const consumer = await Consumer.start(group(server, 'G', { subscriptions: { T: '*' } }));
    const controller = new AbortController();
    const poll = consumer.poll({ timeoutMs: 60_000, signal: controller.signal });
    controller.abort(new Error('enough'));
    await assert.rejects(poll, (error) =>
      code('ABORTED')(error) && error.name === 'AbortError' && error.cause.message === 'enough');
    await assert.rejects(consumer.poll({ signal: AbortSignal.abort() }), code('ABORTED'));
    assert.equal((await consumer.poll({ timeoutMs: 10 })).length, 0);
    const loop = new AbortController();
    setTimeout(() => loop.abort(), 20);
    for await (const batch of consumer.batches({ signal: loop.signal })) assert.fail(String(batch));
    // Nobody listens at this address, and the time is too short for all attempts.
    const producer = await Producer.start({ namesrvAddr: '127.0.0.1:1', sendMsgTimeout: 60_000 });
    await assert.rejects(
      producer.send({ topic: 'T', body: 'x' }, { timeoutMs: 1 }),
      (error) => error instanceof FerroMQError && error.retryable,
    );
    await producer.close();
  }, { topics: { T: 1 } }));

test('wrong arguments and settings reject, and say what is meant', async () => {
  await assert.rejects(Producer.start({ namesrvAdr: 'x:1' }), (error) =>
    code('INVALID_ARGUMENT')(error) && /did you mean `namesrvAddr`/.test(error.message));
  await assert.rejects(Producer.start({ namesrvAddr: 'x:1', sendMsgTimeout: 'soon' }), code('INVALID_ARGUMENT'));
  await assert.rejects(Consumer.start({ namesrvAddr: 'x:1', consumerGroup: 'G' }), code('INVALID_ARGUMENT'));
  await assert.rejects(Server.start({ directory: '/dev/null/x' }), code('SERVER'));
  const producer = await Producer.start({ namesrvAddr: '127.0.0.1:1' });
  await assert.rejects(producer.send({ topic: 'T', body: 5 }), code('INVALID_ARGUMENT'));
  await assert.rejects(producer.send({ body: 'x' }), code('INVALID_ARGUMENT'));
  await assert.rejects(producer.send({ topic: 'T', body: '' }), code('INVALID_ARGUMENT'));
  await assert.rejects(producer.send({ topic: 'T', body: 'x' }), (error) =>
    code('NAME_SERVERS_DOWN')(error) && error.retryable && error.cause instanceof Error);
  await producer.close();
});

test('pull consumers seek, pause and commit; administration sees it', () =>
  withServer(async (server) => {
    const producer = await Producer.start(server.client);
    for (let n = 0; n < 10; n++) await producer.send({ topic: 'T', body: String(n), keys: `key${n}` });
    const consumer = await PullConsumer.start(group(server, 'G', { autoCommit: false }));
    const [queue] = await consumer.topicQueues('T');
    await consumer.assign([queue]);
    const read = async (count) => {
      const texts = [];
      while (texts.length < count) for (const message of await consumer.poll()) texts.push(message.text());
      return texts;
    };
    assert.deepEqual(await read(10), ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
    await consumer.seek(queue, 7n);
    assert.deepEqual(await read(3), ['7', '8', '9']);
    await assert.rejects(consumer.seek(queue, 11n), code('INVALID_ARGUMENT'));
    await assert.rejects(consumer.seek(queue, 1n << 70n), code('INVALID_ARGUMENT'));
    await consumer.seek(queue, 'begin');
    assert.equal((await read(10)).length, 10);
    await consumer.commit();
    assert.equal(await consumer.committed(queue), 10n);
    assert.equal(await consumer.offsetForTimestamp(queue, 0), 0n);
    assert.deepEqual(consumer.assignment, [queue]);

    const admin = await Admin.start(server.client);
    const [stats] = await admin.topicStats('T');
    assert.deepEqual([stats.queue, stats.minOffset, stats.maxOffset], [queue, 0n, 10n]);
    const [progress] = await admin.consumeStats('G', 'T');
    assert.equal(progress.consumerOffset, 10n);
    // Keys are entered behind the sends.
    let found;
    for (const deadline = Date.now() + 10_000; found === undefined && Date.now() < deadline; ) {
      [found] = await admin.queryMessages('T', 'key3');
    }
    assert.equal(found.text(), '3');
    assert.equal((await admin.viewMessage(found.offsetMessageId)).text(), '3');
    await consumer.close();
    assert.equal((await admin.resetOffset('G', 'T', 0))[0].offset, 0n);
    await admin.createGroup('H');
    assert.ok((await admin.groups()).includes('H'));
    await admin.deleteGroup('H');
    assert.ok(!(await admin.groups()).includes('H'));
    assert.ok((await admin.topics()).includes('T'));
    const [broker] = await admin.brokers();
    assert.ok(Object.keys(await admin.runtimeInfo(broker)).length > 10);
    await admin.deleteTopic('T');
    // From the name server, or from the broker when its deletion is not known there yet.
    await assert.rejects(admin.topicStats('T'), (error) =>
      ['TOPIC_NOT_FOUND', 'TOPIC_NOT_EXIST'].includes(error.code));
    await admin.close();
    await producer.close();
  }, { topics: { T: 1 } }));

test('servers live side by side, and keep a directory that was given', async () => {
  const servers = await Promise.all([Server.start(), Server.start(), Server.start()]);
  assert.equal(new Set(servers.map(({ address }) => address)).size, 3);
  await Promise.all(servers.map((server) => server.close()));
  await servers[0].close();
  const { mkdtemp, rm } = await import('node:fs/promises');
  const { tmpdir } = await import('node:os');
  const directory = await mkdtemp(`${tmpdir()}/ferromq-node-`);
  const first = await TestServer.start({ directory });
  const producer = await Producer.start(first.client);
  const { offsetMessageId, queueOffset } = await producer.send({ topic: 'T', body: 'kept' });
  assert.ok(offsetMessageId);
  await producer.close();
  await first.close();
  const second = await TestServer.start({ directory });
  const consumer = await PullConsumer.start(group(second, 'G'));
  await consumer.assign(await consumer.topicQueues('T'));
  const [message] = await consumer.poll({ timeoutMs: 10_000 });
  assert.equal(message.text(), 'kept');
  assert.equal(message.queueOffset, queueOffset);
  await consumer.close();
  await second.close();
  await rm(directory, { recursive: true });
});

test('everything can be disposed of', async () => {
  const server = await TestServer.start();
  const producer = await Producer.start(server.client);
  await producer[Symbol.asyncDispose]();
  await assert.rejects(producer.send({ topic: 'T', body: 'x' }), code('CLOSED'));
  await server[Symbol.asyncDispose]();
});

test('what a pull consumer gave to a loop that failed comes again', () =>
  withServer(async (server) => {
    const producer = await Producer.start(server.client);
    await producer.send({ topic: 'T', body: 'x' });
    await producer.close();
    for (let time = 0; time < 2; time++) {
      const consumer = await PullConsumer.start(group(server, 'G'));
      await consumer.assign(await consumer.topicQueues('T'));
      const read = async () => {
        for await (const [message] of consumer) throw new Error(message.text());
      };
      await assert.rejects(read(), /^Error: x$/);
    }
  }, { topics: { T: 1 } }));
