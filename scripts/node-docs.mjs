// Runs every JavaScript block of a page, each as a module of its own, with a server behind
// NAMESRV_ADDR. Run in a folder that has the package.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

const text = readFileSync(process.argv[2], 'utf8');
const blocks = [...text.matchAll(/^```(js|cjs|test)\n(.*?)^```$/gms)];
if (blocks.length === 0) throw new Error(`${process.argv[2]} has no code to run`);
// In a worker: this thread waits for the programs.
const worker = new Worker(
  `const { Server } = require('ferromq');
   Server.start().then((server) => {
     require('node:worker_threads').parentPort.on('message', () => {}).postMessage(server.address);
   });`,
  { eval: true },
);
const address = await new Promise((resolve) => worker.once('message', resolve));
let failed = 0;
for (const [, kind, code] of blocks) {
  const args = kind === 'cjs' ? [] : ['--input-type=module'];
  const run = spawnSync(process.execPath, [...args, '--unhandled-rejections=strict', '-e', code], {
    env: { ...process.env, NAMESRV_ADDR: address },
    encoding: 'utf8',
    timeout: 30_000,
  });
  const title = code.split('\n').find((line) => line.trim() !== '');
  console.log(`${run.status === 0 ? 'ok    ' : 'FAILED'} ${title}`);
  if (run.status !== 0) {
    failed += 1;
    console.log(run.stdout, run.stderr, run.error ?? '');
  }
}
await worker.terminate();
process.exit(failed === 0 ? 0 : 1);
