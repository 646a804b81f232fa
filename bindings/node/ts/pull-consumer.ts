import { FerroMQError } from './errors.js';
import { unpack, type ReceivedMessage } from './message.js';
import { native, port, type NativePullConsumer } from './native.js';
import { abortable, attempt, settingsOf } from './operation.js';
import type { ClientSettings, ConsumerSettings } from './settings.js';
import type { MessageQueue, PollOptions } from './types.js';

export interface PullConsumerOptions extends Partial<ClientSettings & ConsumerSettings> {
  consumerGroup: string;
  /** Whether waiting for messages keeps the process alive; without it an idle consumer does not. */
  keepAlive?: boolean;
}

/**
 * Receives messages of queues that you choose, from where you choose. Either subscribe to topics
 * and share their queues with the group, or assign queues; not both.
 */
export class PullConsumer implements AsyncIterable<ReceivedMessage[]> {
  readonly #native: NativePullConsumer;
  readonly #keepAlive: boolean;

  private constructor(consumer: NativePullConsumer, keepAlive: boolean) {
    this.#native = consumer;
    this.#keepAlive = keepAlive;
  }

  /** Starts a consumer that has no queues yet. */
  static async start(options: PullConsumerOptions): Promise<PullConsumer> {
    const settings = settingsOf(options, ['keepAlive']);
    const started = await attempt(() => native.NativePullConsumer.start(port, settings));
    return new PullConsumer(started, options.keepAlive ?? false);
  }

  /**
   * Messages of one queue as soon as there are any; see {@link PollOptions}. With `autoCommit`, what
   * was polled before counts as handled.
   */
  async poll(options: PollOptions = {}): Promise<ReceivedMessage[]> {
    const { max = 256, timeoutMs = 1000, signal } = options;
    const poll = (abort?: Parameters<NativePullConsumer['poll']>[3]) =>
      this.#native.poll(max, timeoutMs, this.#keepAlive, abort);
    return unpack(await (signal === undefined ? attempt(poll) : abortable(signal, poll)));
  }

  /**
   * Polls until the consumer is closed. Leaving the loop, also by an error, closes it; the messages looked at last then
   * count as not handled, and come again.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<ReceivedMessage[], void, undefined> {
    let handling = false;
    try {
      for (;;) {
        let messages: ReceivedMessage[];
        try {
          messages = await this.poll({ timeoutMs: 30_000 });
        } catch (error) {
          if (error instanceof FerroMQError && error.code === 'CLOSED') return;
          throw error;
        }
        if (messages.length === 0) continue;
        handling = true;
        yield messages;
        handling = false;
      }
    } finally {
      if (handling) this.#native.forgetPolled();
      await this.close();
    }
  }

  /** Subscribes to a topic and shares its queues with the group. */
  subscribe(topic: string, tags = '*'): Promise<void> {
    return attempt(() => this.#native.subscribe(topic, tags));
  }

  /** Reads a topic's queues no more. */
  unsubscribe(topic: string): Promise<void> {
    return attempt(() => this.#native.unsubscribe(topic));
  }

  /** Reads these queues and no others, from the group's progress on. */
  assign(queues: readonly MessageQueue[]): Promise<void> {
    return attempt(() => this.#native.assign([...queues]));
  }

  /** The queues of a topic. */
  topicQueues(topic: string): Promise<MessageQueue[]> {
    return attempt(() => this.#native.topicQueues(topic));
  }

  /** The queues that are read at present. */
  get assignment(): MessageQueue[] {
    return this.#native.assignment();
  }

  /** Goes on in a queue at an offset within it, its first message or behind its last. */
  seek(queue: MessageQueue, to: bigint | 'begin' | 'end'): Promise<void> {
    return attempt(() =>
      typeof to === 'string'
        ? this.#native.seekTo(queue, to === 'begin' ? 'Begin' : 'End')
        : this.#native.seek(queue, to),
    );
  }

  /** The group's progress in a queue; `null` when it never committed. */
  committed(queue: MessageQueue): Promise<bigint | null> {
    return attempt(() => this.#native.committed(queue));
  }

  /** The offset of a queue at a time in ms since the epoch. */
  offsetForTimestamp(queue: MessageQueue, time: number): Promise<bigint> {
    return attempt(() => this.#native.offsetForTimestamp(queue, time));
  }

  /** Fetches no more messages of these queues. */
  pause(queues: readonly MessageQueue[]): void {
    this.#native.pause([...queues]);
  }

  /** Fetches messages of these queues again. */
  resume(queues: readonly MessageQueue[]): void {
    this.#native.resume([...queues]);
  }

  /** Makes what was polled the group's progress; resolves when the brokers have it. */
  commit(): Promise<void> {
    return this.#native.commit();
  }

  /** Commits what was polled if `autoCommit` is on, and leaves. Closing twice does nothing. */
  close(): Promise<void> {
    return this.#native.close();
  }

  /** For `await using`: closes. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
