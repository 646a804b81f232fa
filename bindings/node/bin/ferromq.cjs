#!/usr/bin/env node
'use strict';
// The program `ferromq`: its output, its exit code and its signals are ours.
const { spawn } = require('node:child_process');
const { constants } = require('node:os');
const { find, missing } = require('../native/platform.cjs');

const program = find(process.platform === 'win32' ? 'ferromq.exe' : 'ferromq');
if (program === undefined) {
  console.error(missing('program').message);
  process.exit(1);
}
const child = spawn(program, process.argv.slice(2), { stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => child.kill(signal));
}
child.on('error', (error) => {
  console.error(`cannot run ${program}: ${error.message}`);
  process.exit(1);
});
child.on('exit', (code, signal) => {
  process.exit(code ?? 128 + (constants.signals[signal] ?? 0));
});
