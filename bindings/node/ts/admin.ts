import { unpack, type ReceivedMessage } from './message.js';
import { native, port, type NativeAdmin } from './native.js';
import { attempt, settingsOf } from './operation.js';
import type { ClientSettings } from './settings.js';
import type { MessageQueue } from './types.js';

/** The extent of a queue. */
export interface QueueExtent {
  queue: MessageQueue;
  /** The offset of the first message. */
  minOffset: bigint;
  /** The offset behind the last message. */
  maxOffset: bigint;
  /** When the last message was stored, in ms. */
  lastUpdateTimestamp: number;
}

/** A group's progress in a queue. */
export interface QueueProgress {
  queue: MessageQueue;
  /** The offset behind the last message. */
  brokerOffset: bigint;
  /** The next offset to consume. */
  consumerOffset: bigint;
  /** When the last consumed message was stored, in ms. */
  lastTimestamp: number;
}

const OFFSETS = new Set(['minOffset', 'maxOffset', 'brokerOffset', 'consumerOffset', 'offset']);

async function read<T>(answer: () => Promise<string>): Promise<T> {
  const text = await attempt(answer);
  const revive = (key: string, value: unknown) => (OFFSETS.has(key) ? BigInt(value as string) : value);
  return JSON.parse(text, revive) as T;
}

/** Looks after topics, groups and progress. */
export class Admin {
  readonly #native: NativeAdmin;

  private constructor(admin: NativeAdmin) {
    this.#native = admin;
  }

  /** Connects when first asked something. */
  static async start(options: Partial<ClientSettings> = {}): Promise<Admin> {
    const settings = settingsOf(options);
    return new Admin(await attempt(() => native.NativeAdmin.start(port, settings)));
  }

  /** Makes a topic, or changes it, on every broker. */
  createTopic(topic: string, options: { queues?: number } = {}): Promise<void> {
    return attempt(() => this.#native.createTopic(topic, options.queues ?? 4));
  }

  deleteTopic(topic: string): Promise<void> {
    return attempt(() => this.#native.deleteTopic(topic));
  }

  topics(): Promise<string[]> {
    return read(() => this.#native.topics());
  }

  topicStats(topic: string): Promise<QueueExtent[]> {
    return read(() => this.#native.topicStats(topic));
  }

  groups(): Promise<string[]> {
    return read(() => this.#native.groups());
  }

  createGroup(group: string): Promise<void> {
    return attempt(() => this.#native.createGroup(group));
  }

  /** Deletes a group and its progress. */
  deleteGroup(group: string): Promise<void> {
    return attempt(() => this.#native.deleteGroup(group));
  }

  /** How far a group has come. */
  consumeStats(group: string, topic?: string): Promise<QueueProgress[]> {
    return read(() => this.#native.consumeStats(group, topic));
  }

  /** Sets a group's progress to a time in ms since the epoch; -1 is the end. */
  resetOffset(
    group: string,
    topic: string,
    time: number,
  ): Promise<{ queue: MessageQueue; offset: bigint }[]> {
    return read(() => this.#native.resetOffset(group, topic, time));
  }

  /** The message with an offset message id. */
  async viewMessage(offsetMessageId: string): Promise<ReceivedMessage> {
    return unpack(await attempt(() => this.#native.viewMessage(offsetMessageId)))[0]!;
  }

  /** Messages of a topic with a key, or with a message id. */
  async queryMessages(topic: string, key: string, max = 32): Promise<ReceivedMessage[]> {
    return unpack(await attempt(() => this.#native.queryMessages(topic, key, max)));
  }

  /** The addresses of all master brokers. */
  brokers(): Promise<string[]> {
    return read(() => this.#native.brokers());
  }

  /** What a broker tells about itself. */
  runtimeInfo(broker: string): Promise<Record<string, string>> {
    return read(() => this.#native.runtimeInfo(broker));
  }

  /** Leaves. Closing twice does nothing. */
  close(): Promise<void> {
    return this.#native.close();
  }

  /** For `await using`: closes. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
