// Sends through the npm package: node client.mjs NAMESRV TOPIC SIZE WINDOW WARM_UP SECONDS
// Prints `begin` after the warm-up and `end N` when N more messages have been acknowledged.
import { createRequire } from 'node:module';

const { Producer } = createRequire(import.meta.url)('../../bindings/node');
const [namesrvAddr, topic, size, window, warmUp, seconds] = process.argv.slice(2);
const body = Buffer.alloc(Number(size), 'x');
const producer = await Producer.start({ namesrvAddr });
const begin = performance.now() + 1000 * Number(warmUp);
const end = begin + 1000 * Number(seconds);
let sent = -1;

async function caller() {
  for (let now = performance.now(); now < end; now = performance.now()) {
    await producer.send({ topic, body });
    if (sent >= 0) sent++;
    else if (now >= begin) {
      sent = 0;
      console.log('begin');
    }
  }
}

await Promise.all(Array.from({ length: Number(window) }, caller));
console.log(`end ${Math.max(sent, 0)}`);
await producer.close();
