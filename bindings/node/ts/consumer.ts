import { EventEmitter } from 'node:events';
import { FerroMQError, invalid } from './errors.js';
import { ReceivedMessage } from './message.js';
import { native, port, type Lease, type NativeConsumer, type Polled } from './native.js';
import { abortable, attempt, settingsOf } from './operation.js';
import type { ClientSettings, ConsumerSettings } from './settings.js';
import type { MessageQueue, PollOptions } from './types.js';

export interface ConsumerOptions extends Partial<ClientSettings & ConsumerSettings> {
  /** The group: its members share the messages. */
  consumerGroup: string;
  /** Topics, each with `*` for everything or tags such as `TagA || TagB`. */
  subscriptions: Readonly<Record<string, string>>;
  /** The next messages of a queue come when those before them are settled. */
  ordered?: boolean;
  /** Whether waiting for messages keeps the process alive; without it an idle consumer does not. */
  keepAlive?: boolean;
}

export interface RunOptions {
  /** How many messages are handled at once; 16 when not given. */
  concurrency?: number;
  signal?: AbortSignal;
}

export interface IterationOptions {
  /** How many messages a batch has at most; 256 when not given. */
  max?: number;
  signal?: AbortSignal;
}

/** A message that is to be settled: acknowledged, or given back. */
export class Delivery extends ReceivedMessage {
  readonly #lease: Lease;
  readonly #index: number;

  /** @internal */
  constructor(polled: Polled, index: number) {
    super(polled, index);
    this.#lease = polled.lease;
    this.#index = index;
  }

  /** The message was handled. Settling it twice does nothing; says whether this was the first time. */
  ack(): boolean {
    return this.#lease.ack(this.#index);
  }

  /**
   * The message was not handled and comes again: after the time of `delayLevel`, or one that the
   * broker chooses when there is none; a negative level makes a dead letter of it.
   */
  retryLater(delayLevel = 0): boolean {
    return this.#lease.retryLater(this.#index, delayLevel);
  }
}

/** The messages of a poll. */
export class Batch implements Iterable<Delivery> {
  readonly #lease: Lease;
  readonly messages: readonly Delivery[];

  /** @internal */
  constructor(polled: Polled) {
    this.#lease = polled.lease;
    const count = polled.packed.readUInt32LE(0);
    const messages = new Array<Delivery>(count);
    for (let index = 0; index < count; index++) messages[index] = new Delivery(polled, index);
    this.messages = messages;
  }

  get length(): number {
    return this.messages.length;
  }

  /** Acknowledges those that are not settled. */
  ack(): void {
    this.#lease.ackAll();
  }

  /** Gives those back that are not settled. */
  retryLater(delayLevel = 0): void {
    this.#lease.retryAllLater(delayLevel);
  }

  [Symbol.iterator](): IterableIterator<Delivery> {
    return this.messages[Symbol.iterator]();
  }
}

/** What a consumer tells about itself. Messages never come this way. */
export interface ConsumerEvents {
  /** A handler failed; its message comes again. */
  error: [error: unknown, message: ReceivedMessage];
  /** The queues that are this consumer's have changed. */
  rebalance: [queues: MessageQueue[]];
  close: [];
}

/** The part of `EventEmitter` that is of use here. */
export interface ConsumerEventEmitter {
  on<K extends keyof ConsumerEvents>(name: K, listener: (...args: ConsumerEvents[K]) => void): this;
  once<K extends keyof ConsumerEvents>(name: K, listener: (...args: ConsumerEvents[K]) => void): this;
  off<K extends keyof ConsumerEvents>(name: K, listener: (...args: ConsumerEvents[K]) => void): this;
  emit<K extends keyof ConsumerEvents>(name: K, ...args: ConsumerEvents[K]): boolean;
  listenerCount(name: keyof ConsumerEvents): number;
}

const WAIT_MS = 30_000;

/**
 * Receives messages as a member of a group. Use it in one of three ways:
 *
 * - `for await (const batch of consumer)`: going on to the next batch acknowledges what is not
 *   settled; leaving the loop, also by an error, gives it back and closes the consumer;
 * - {@link run} with a handler for each message;
 * - {@link poll}, and settle each message yourself.
 */
export class Consumer implements AsyncIterable<Batch> {
  readonly #native: NativeConsumer;
  readonly #keepAlive: boolean;
  #queues = '';
  #closed = false;
  /** Life-cycle and diagnostics. */
  readonly events: ConsumerEventEmitter = new EventEmitter();

  private constructor(consumer: NativeConsumer, keepAlive: boolean) {
    this.#native = consumer;
    this.#keepAlive = keepAlive;
  }

  /** Joins the group and begins to receive. */
  static async start(options: ConsumerOptions): Promise<Consumer> {
    const { subscriptions, ordered, keepAlive } = options;
    if (typeof subscriptions !== 'object' || subscriptions === null) {
      throw invalid("subscriptions is an object of topics and tags, as in { Orders: '*' }");
    }
    const settings = settingsOf(options, ['subscriptions', 'ordered', 'keepAlive']);
    const topics = Object.entries(subscriptions).flat();
    const start = () =>
      native.NativeConsumer.start(port, settings, topics, ordered ?? false);
    return new Consumer(await attempt(start), keepAlive ?? false);
  }

  /** The id by which brokers know this consumer. */
  get clientId(): string {
    return this.#native.clientId;
  }

  /** The queues that are this consumer's at present. */
  get queues(): MessageQueue[] {
    return this.#native.queues();
  }

  /** Messages as soon as there are any; see {@link PollOptions}. Each must be settled. */
  async poll(options: PollOptions = {}): Promise<Batch> {
    const { max, timeoutMs, signal } = options;
    return this.#poll(max ?? 256, timeoutMs ?? 1000, signal);
  }

  async #poll(max: number, timeoutMs: number, signal: AbortSignal | undefined): Promise<Batch> {
    const poll = (abort?: Parameters<NativeConsumer['poll']>[3]) =>
      this.#native.poll(max, timeoutMs, this.#keepAlive, abort);
    const polled = await (signal === undefined ? attempt(poll) : abortable(signal, poll));
    this.#observe();
    return new Batch(polled);
  }

  #observe(): void {
    if (this.events.listenerCount('rebalance') === 0) return;
    const queues = this.queues;
    const now = queues.map((queue) => `${queue.topic}@${queue.brokerName}:${queue.queueId}`).sort().join();
    if (now !== this.#queues) {
      this.#queues = now;
      this.events.emit('rebalance', queues);
    }
  }

  /** Batches until the consumer is closed or `signal` fires; see {@link Consumer}. */
  async *batches(options: IterationOptions = {}): AsyncGenerator<Batch, void, undefined> {
    const { max = 256, signal } = options;
    let batch: Batch | undefined;
    try {
      for (;;) {
        try {
          batch = await this.#poll(max, WAIT_MS, signal);
        } catch (error) {
          const over = error instanceof FerroMQError && (error.code === 'CLOSED' || error.code === 'ABORTED');
          if (over) return;
          throw error;
        }
        if (batch.length === 0) continue;
        yield batch;
        batch.ack();
        batch = undefined;
      }
    } finally {
      batch?.retryLater();
      await this.close();
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<Batch, void, undefined> {
    return this.batches();
  }

  /**
   * Handles messages side by side until the consumer is closed or `signal` fires. A message whose
   * handler resolves is acknowledged; when it rejects, the message comes again later and `error` is
   * emitted.
   */
  async run(
    handler: (message: Delivery) => unknown,
    options: RunOptions = {},
  ): Promise<void> {
    const { concurrency = 16, signal } = options;
    const busy = new Set<Promise<void>>();
    const handle = async (message: Delivery) => {
      try {
        await handler(message);
        message.ack();
      } catch (error) {
        message.retryLater();
        if (this.events.listenerCount('error') > 0) this.events.emit('error', error, message);
        else process.emitWarning(`a handler failed; its message comes again: ${String(error)}`, 'FerroMQWarning');
      }
    };
    for (;;) {
      let batch: Batch;
      try {
        batch = await this.#poll(Math.max(1, concurrency - busy.size), WAIT_MS, signal);
      } catch (error) {
        await Promise.all(busy);
        const over = error instanceof FerroMQError && (error.code === 'CLOSED' || error.code === 'ABORTED');
        if (over) return;
        throw error;
      }
      for (const message of batch) {
        const handled: Promise<void> = handle(message).finally(() => busy.delete(handled));
        busy.add(handled);
      }
      if (busy.size >= concurrency) await Promise.race(busy);
    }
  }

  /** Subscribes to another topic, or to other tags of one. */
  subscribe(topic: string, tags = '*'): Promise<void> {
    return attempt(() => this.#native.subscribe(topic, tags));
  }

  /** Consumes a topic no more. */
  unsubscribe(topic: string): Promise<void> {
    return attempt(() => this.#native.unsubscribe(topic));
  }

  /** Fetches no more messages until {@link resume}. */
  pause(): void {
    this.#native.pause();
  }

  /** Fetches messages again. */
  resume(): void {
    this.#native.resume();
  }

  /** Stores the group's progress now, instead of every `persistConsumerOffsetInterval`; resolves when the brokers have it. */
  commit(): Promise<void> {
    return this.#native.commit();
  }

  /**
   * Stores progress and leaves the group. Messages that are not settled come again. Polls that wait
   * reject with `CLOSED`, loops end. Closing twice does nothing.
   */
  async close(): Promise<void> {
    await this.#native.close();
    if (!this.#closed) {
      this.#closed = true;
      this.events.emit('close');
    }
  }

  /** For `await using`: closes. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
