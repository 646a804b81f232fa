// Servers of the test kit, told what to do line by line.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const program = process.env.FERROMQ_SCENARIO_CLUSTER
  ?? new URL('../../../target/debug/scenario-cluster', import.meta.url).pathname;
/** Apache's name server instead of our own servers. */
export const apache = process.env.FERROMQ_APACHE;

export class Cluster {
  #child;
  #lines;

  static async start() {
    const cluster = new Cluster();
    cluster.#child = spawn(program, apache === undefined ? [] : [apache], { stdio: ['pipe', 'pipe', 'inherit'] });
    cluster.#lines = createInterface({ input: cluster.#child.stdout })[Symbol.asyncIterator]();
    await new Promise((resolve, reject) => cluster.#child.on('spawn', resolve).on('error', reject));
    return cluster;
  }

  /** What stands behind `ok`. */
  async obey(line) {
    this.#child.stdin.write(`${line}\n`);
    const { value } = await this.#lines.next();
    if (!value?.startsWith('ok')) throw new Error(`${line}: ${value}`);
    return value.slice(3);
  }

  async close() {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdin.end();
    await ended;
  }
}
