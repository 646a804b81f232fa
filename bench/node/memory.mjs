// 10 million messages of 128 bytes through the npm package: node --expose-gc bench/node/memory.mjs NAMESRVADDR
// Batches are sent while others are received. Tells the process's memory at every tenth, and fails when it grew
// after the first. MESSAGES=N sets how many.
import { createRequire } from 'node:module';

const { Consumer, Producer } = createRequire(import.meta.url)('../../bindings/node');
const messages = Number(process.env.MESSAGES ?? 10_000_000);
const namesrvAddr = process.argv[2];
const [topic, body, size] = ['MemoryNode', Buffer.alloc(128, 'x'), 200];
// What may come and go between two looks: a few batches, and what the allocator keeps of them.
const TOLERANCE = 32 << 10;

const producer = await Producer.start({ namesrvAddr });
const consumer = await Consumer.start({
  namesrvAddr, consumerGroup: 'memory-node', subscriptions: { [topic]: '*' }, keepAlive: true,
  consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET', pullBatchSize: 1024,
});
let [sent, received, bytes] = [0, 0, 0];
const batch = Array.from({ length: size }, () => ({ topic, body }));
// So many messages may be on their way, or else they would lie at the broker and be read from disk.
const AHEAD = 100_000;
let goOn = () => {};
const send = async () => {
  while (sent < messages) {
    while (sent - received > AHEAD) await new Promise((resolve) => { goOn = resolve; });
    sent += size;
    await producer.sendBatch(batch);
  }
};
const samples = [];
const start = performance.now();
const sending = send();
for await (const got of consumer.batches({ max: 1024 })) {
  for (const message of got) bytes += message.body.length;
  received += got.length;
  got.ack();
  goOn();
  if (Math.floor((received * 10) / messages) > samples.length) {
    // What nobody holds any more is no growth.
    globalThis.gc?.();
    samples.push(Math.round(process.memoryUsage.rss() / 1024));
  }
  if (received >= messages) break;
}
await sending;
const seconds = (performance.now() - start) / 1000;
const growth = samples.at(-1) - samples[0];
console.log(JSON.stringify({
  language: 'node', what: 'memory', messages: received, perSecond: Math.round(received / seconds), rssKiB: samples, growthKiB: growth,
}));
await producer.close();
if (bytes < received * body.length) throw new Error('bodies are missing');
if (growth > TOLERANCE) throw new Error(`memory grew by ${growth} KiB`);
