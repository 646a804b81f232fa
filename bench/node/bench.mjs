// Messages a second of 128 bytes through the npm package: node bench/node/bench.mjs [NAMESRVADDR]
// (without an address, an embedded server). Prints a line of JSON for each way to send and receive.
// MESSAGES=N sets how many; bindings/node must be built (bindings/node/build.sh release).
import { createRequire } from 'node:module';
import { cpus } from 'node:os';

const { Consumer, Producer, PullConsumer, Server, version } = createRequire(import.meta.url)('../../bindings/node');
const messages = Number(process.env.MESSAGES ?? 200_000);
const body = Buffer.alloc(128, 'x');
const server = process.argv[2] === undefined ? await Server.start({ mappedFileSizeCommitLog: 1 << 30 }) : undefined;
const namesrvAddr = process.argv[2] ?? server.address;
const topic = 'BenchNode';

const report = (what, count, start) => {
  const seconds = (performance.now() - start) / 1000;
  console.log(JSON.stringify({
    language: 'node', what, messages: count, perSecond: Math.round(count / seconds), rssMiB: Math.round(process.memoryUsage.rss() / 2 ** 20),
    server: server === undefined ? namesrvAddr : 'embedded', version, runtime: process.version, cpus: cpus().length,
  }));
};

const producer = await Producer.start({ namesrvAddr });
let sent = 0;
for (let warm = 0; warm < 1000; warm++, sent++) await producer.send({ topic, body });

const alone = Math.min(messages, 20_000);
let start = performance.now();
for (let n = 0; n < alone; n++, sent++) await producer.send({ topic, body });
report('one after the other', alone, start);

/** Runs `work` so often, `width` at a time. */
async function sideBySide(times, width, work) {
  let left = times;
  await Promise.all(Array.from({ length: width }, async () => {
    while (left-- > 0) await work();
  }));
}
start = performance.now();
await sideBySide(messages, 512, () => producer.send({ topic, body }));
sent += messages;
report('512 at a time', messages, start);

const batch = Array.from({ length: 100 }, () => ({ topic, body }));
start = performance.now();
await sideBySide(messages / 100, 1, () => producer.sendBatch(batch));
sent += 100 * Math.ceil(messages / 100);
report('batches of 100', messages, start);

const group = { namesrvAddr, consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET', keepAlive: true, pullBatchSize: 1024, pullThresholdForQueue: 20_000,
  consumeConcurrentlyMaxSpan: 60_000 };
const consumer = await Consumer.start({ ...group, consumerGroup: `bench-${process.pid}`, subscriptions: { [topic]: '*' } });
let [received, bytes] = [0, 0];
start = performance.now();
for await (const got of consumer.batches({ max: 1024 })) {
  for (const message of got) bytes += message.body.length;
  received += got.length;
  got.ack();
  if (received >= sent) break;
}
report('received', received, start);

const pull = await PullConsumer.start({ ...group, consumerGroup: `bench-pull-${process.pid}` });
await pull.assign(await pull.topicQueues(topic));
start = performance.now();
for (received = 0; received < sent; ) {
  for (const message of await pull.poll({ max: 1024 })) {
    bytes += message.body.length;
    received += 1;
  }
}
report('pulled', received, start);
await pull.close();
await producer.close();
await server?.close();
