// The scenarios of core/testkit/scenarios, run by these clients; see the README there.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Consumer, FerroMQError, Producer, PullConsumer } from 'ferromq';
import { apache, Cluster } from './cluster.mjs';

const folder = new URL('../../../core/testkit/scenarios/', import.meta.url);
const PATIENCE = 30_000;

function parse(line) {
  const [verb, ...words] = line.split(/\s+/);
  const [names, options] = [[], {}];
  for (const word of words) {
    const at = word.indexOf('=');
    if (at < 0) names.push(word);
    else options[word.slice(0, at)] = word.slice(at + 1);
  }
  return { verb, name: names[0] ?? '', options, line };
}

function bodies({ body, hex, size, numbers }) {
  if (body !== undefined) return [Buffer.from(body)];
  if (hex !== undefined) return [Buffer.from(hex, 'hex')];
  if (size !== undefined) return [Buffer.alloc(Number(size)).map((_, index) => index % 251)];
  const [from, to] = numbers.split('..').map(Number);
  return Array.from({ length: to - from }, (_, index) => Buffer.from(String(from + index)));
}

const place = ({ topic, brokerName, queueId }) => `${topic}@${brokerName}:${queueId}`;

class Stage {
  clients = new Map();
  addresses = {};
  sent = Date.now();

  constructor(cluster) {
    this.cluster = cluster;
  }

  async step(step) {
    const { options } = step;
    const start = Date.now();
    let failure;
    const late = new AbortController();
    const limit = PATIENCE + Number(options.for ?? 0);
    try {
      await Promise.race([
        this.act(step),
        sleep(limit, undefined, { signal: late.signal }).then(() => assert.fail('it takes too long')),
      ]);
    } catch (error) {
      failure = error;
    } finally {
      late.abort();
    }
    const took = Date.now() - start;
    if (options.within !== undefined) assert.ok(took <= Number(options.within), `it took ${took} ms`);
    if (options.fails === undefined) {
      if (failure !== undefined) throw failure;
      return;
    }
    assert.ok(failure !== undefined, 'it did not fail');
    if (!(failure instanceof FerroMQError)) throw failure;
    assert.ok(options.fails.split('|').includes(failure.code), `it failed with ${failure.code}: ${failure.message}`);
  }

  settings({ name, options }) {
    const own = Object.entries(options).filter(([key]) => key.startsWith('set.'));
    return {
      namesrvAddr: options.at === undefined ? this.addresses.cluster : (this.addresses[options.at] ?? options.at),
      instanceName: name,
      pollNameServerInterval: 200,
      heartbeatBrokerInterval: 500,
      persistConsumerOffsetInterval: 100,
      ...Object.fromEntries(own.map(([key, value]) => [key.slice(4), value === 'folder' ? this.addresses.folder : value])),
    };
  }

  async act(step) {
    const { verb, name, options, line } = step;
    const group = () => ({
      consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET', consumerGroup: options.group, keepAlive: true, ...this.settings(step),
    });
    switch (verb) {
      case 'cluster': case 'deaf': case 'dead': case 'folder':
        this.addresses[verb] = await this.cluster.obey(line);
        break;
      case 'topic': case 'stop': case 'start':
        await this.cluster.obey(line);
        break;
      case 'producer':
        this.clients.set(name, { client: await Producer.start(this.settings(step)), receipts: [] });
        break;
      case 'consumer': {
        const subscriptions = { [options.topic]: options.tags ?? '*' };
        const client = await Consumer.start({ ...group(), subscriptions, ordered: options.ordered === 'true' });
        this.clients.set(name, { client, held: [] });
        break;
      }
      case 'pull': {
        const client = await PullConsumer.start(group());
        const queues = await client.topicQueues(options.topic);
        await client.assign(queues);
        this.clients.set(name, { client, queues });
        break;
      }
      case 'send': await this.send(step); break;
      case 'spread': this.spread(step); break;
      case 'receive': await this.receive(step); break;
      case 'nothing': {
        const messages = await this.poll(name, Number(options.for));
        assert.deepEqual(messages.map((message) => message.text()), []);
        break;
      }
      case 'queues': {
        const own = () => this.clients.get(name).client.queues.filter(({ topic }) => topic === options.topic).length;
        while (own() !== Number(options.count)) await sleep(5);
        break;
      }
      case 'seek': {
        const { client, queues } = this.clients.get(name);
        for (const queue of queues) await client.seek(queue, BigInt(options.offset));
        break;
      }
      case 'commit': await this.clients.get(name).client.commit(); break;
      case 'close': await this.clients.get(name).client.close(); break;
      default: assert.fail(`nobody knows ${verb}`);
    }
  }

  async send({ name, options }) {
    const { client, receipts } = this.clients.get(name);
    const [key, value] = options.property?.split(':') ?? [];
    const messages = bodies(options).map((body) => ({
      topic: options.topic, body, tag: options.tag, keys: options.key,
      properties: key === undefined ? undefined : { [key]: value },
      delayLevel: options.delay === undefined ? undefined : Number(options.delay),
    }));
    if (options.how === 'batch') receipts.push(await client.sendBatch(messages));
    else if (options.how === 'background') receipts.push(...await Promise.all(messages.map((message) => client.send(message))));
    else {
      for (const message of messages) {
        for (;;) {
          try {
            if (options.how === 'oneway') await client.sendOneway(message);
            else receipts.push(await client.send(message, { orderingKey: options.order }));
            break;
          } catch (error) {
            if (options.retry !== 'true') throw error;
            await sleep(20);
          }
        }
      }
    }
    this.sent = Date.now();
  }

  spread({ name, options }) {
    const counts = new Map();
    for (const { queue } of this.clients.get(name).receipts.splice(0)) {
      counts.set(place(queue), (counts.get(place(queue)) ?? 0) + 1);
    }
    assert.equal(counts.size, Number(options.queues));
    const least = Number(options.least ?? options.each);
    const most = Number(options.each ?? Infinity);
    for (const [queue, count] of counts) assert.ok(count >= least && count <= most, `${count} went to ${queue}`);
  }

  async poll(name, timeoutMs) {
    const polled = await this.clients.get(name).client.poll({ max: 32, timeoutMs });
    return polled.messages ?? polled;
  }

  async receive({ name, options }) {
    const missing = new Map();
    for (const body of bodies(options)) {
      const text = body.toString('latin1');
      missing.set(text, (missing.get(text) ?? 0) + 1);
    }
    const known = new Set(missing.keys());
    const names = name.split(',');
    const last = new Map();
    const start = Date.now();
    for (let turn = 0; missing.size > 0; turn++) {
      const own = names[turn % names.length];
      const left = PATIENCE - (Date.now() - start);
      assert.ok(left > 0, `${missing.size} bodies did not come`);
      for (const message of await this.poll(own, names.length === 1 ? left : 20)) {
        this.check(message, options);
        const text = message.body.toString('latin1');
        if (options.in_order === 'true') {
          const queue = place(message.queue);
          assert.ok((last.get(queue) ?? -1) < Number(text), `${text} came out of order`);
          last.set(queue, Number(text));
        }
        const count = missing.get(text);
        if (count === undefined) assert.ok(options.repeats === 'true' && known.has(text), `${text.slice(0, 50)} came`);
        else if (count === 1) missing.delete(text);
        else missing.set(text, count - 1);
        switch (options.settle ?? 'ack') {
          case 'ack': message.ack?.(); break;
          case 'later': case 'drop': message.retryLater(Number(options.level ?? 0)); break;
          case 'hold': this.clients.get(own).held.push(message); break;
          default: assert.fail(options.settle);
        }
      }
    }
  }

  check(message, { tag, key, property, times, after }) {
    if (tag !== undefined) assert.equal(message.tag, tag);
    if (key !== undefined) assert.deepEqual(message.keys, [key]);
    if (property !== undefined) {
      const [name, value] = property.split(':');
      assert.equal(message.properties[name], value);
    }
    if (times !== undefined) assert.equal(message.reconsumeTimes, Number(times));
    if (after !== undefined) assert.ok(Date.now() - this.sent >= Number(after), 'it came too soon');
  }
}

const scenarios = readdirSync(folder).filter((file) => file.endsWith('.scenario')).sort();
for (const file of scenarios) {
  const lines = readFileSync(new URL(file, folder), 'utf8').split('\n');
  if (apache !== undefined && !lines.includes('also apache')) continue;
  test(`scenario ${file.slice(0, -'.scenario'.length)}`, { concurrency: true }, async () => {
    const stage = new Stage(await Cluster.start());
    let number = 0;
    try {
      for (const line of lines) {
        number += 1;
        if (line === '' || line.startsWith('#') || line === 'also apache') continue;
        await stage.step(parse(line)).catch((error) => {
          throw new Error(`line ${number}: ${line}: ${error.message}`, { cause: error });
        });
      }
    } finally {
      await Promise.all([...stage.clients.values()].map(({ client }) => client.close()));
      await stage.cluster.close();
    }
  });
}
