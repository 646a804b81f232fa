// Servers that go and come back under load: every rejection reaches whoever waits, none is left over.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Consumer, FerroMQError, Producer } from 'ferromq';
import { Cluster } from './cluster.mjs';

test('no rejection goes unheard while brokers and name servers restart under load', async () => {
  const unheard = [];
  const note = (reason) => unheard.push(reason);
  process.on('unhandledRejection', note);
  const cluster = await Cluster.start();
  try {
    const namesrvAddr = await cluster.obey('cluster names=1 brokers=1');
    await cluster.obey('topic Restart queues=4');
    const settings = { namesrvAddr, pollNameServerInterval: 200, heartbeatBrokerInterval: 500 };
    const producer = await Producer.start({ ...settings, sendMsgTimeout: 1000 });
    const consumer = await Consumer.start({
      ...settings, consumerGroup: 'restart', subscriptions: { Restart: '*' }, keepAlive: true,
      consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET', persistConsumerOffsetInterval: 100,
    });
    const [sent, seen, errors] = [new Set(), new Set(), []];
    const consuming = (async () => {
      for await (const batch of consumer) for (const message of batch) seen.add(message.text());
    })();
    let [go, next] = [true, 0];
    const load = Array.from({ length: 8 }, async () => {
      while (go) {
        const text = String(next++);
        try {
          await producer.send({ topic: 'Restart', body: text });
          sent.add(text);
        } catch (error) {
          errors.push(error);
        }
      }
    });
    const until = async (condition) => {
      for (const deadline = Date.now() + 30_000; !condition(); ) {
        assert.ok(Date.now() < deadline, 'it takes too long');
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    for (let round = 0; round < 2; round++) {
      const before = sent.size;
      await until(() => sent.size > before + 50);
      const failed = errors.length;
      await cluster.obey('stop broker 0');
      // Nobody waits for this one: it is the library's business alone.
      await until(() => errors.length > failed);
      await cluster.obey('start broker 0');
      await until(() => sent.size > before + 150);
      await cluster.obey('stop names 0');
      const middle = sent.size;
      await until(() => sent.size > middle + 50);
      await cluster.obey('start names 0');
    }
    go = false;
    await Promise.all(load);
    await until(() => [...sent].every((text) => seen.has(text)));
    await consumer.close();
    await consuming;
    await producer.close();
    assert.ok(errors.every((error) => error instanceof FerroMQError && error.retryable), String(errors.find((error) => !error.retryable)));
  } finally {
    await cluster.close();
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', note);
  }
  assert.deepEqual(unheard, []);
});
