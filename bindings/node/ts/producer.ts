import { invalid } from './errors.js';
import { native, port, type Abort, type NativeProducer, type Route } from './native.js';
import { abortable, attempt, settingsOf } from './operation.js';
import type { ClientSettings, ProducerSettings } from './settings.js';
import type { Message, MessageQueue, OperationOptions, SendOptions, SendReceipt } from './types.js';

export type ProducerOptions = Partial<ClientSettings & ProducerSettings>;

/** Names and values in turn, or undefined when there are none. */
function properties(message: Message): string[] | undefined {
  const { tag, keys, delayLevel, properties: own } = message;
  if (tag === undefined && keys === undefined && delayLevel === undefined && own === undefined) {
    return undefined;
  }
  const all: string[] = [];
  if (own !== undefined) for (const name of Object.keys(own)) all.push(name, String(own[name]));
  if (tag !== undefined) all.push('TAGS', tag);
  if (keys !== undefined) all.push('KEYS', typeof keys === 'string' ? keys : keys.join(' '));
  if (delayLevel !== undefined) all.push('DELAY', String(delayLevel));
  return all;
}

function bytes(body: Uint8Array | string): Uint8Array {
  if (typeof body === 'string') return Buffer.from(body);
  if (body instanceof Uint8Array) return body;
  throw invalid('a body is a Buffer, a Uint8Array or a string');
}

/**
 * Sends messages. Those of a topic go round-robin to its queues; when a broker fails, a send goes to
 * another one, twice by default, within `sendMsgTimeout`.
 */
export class Producer {
  readonly #native: NativeProducer;

  private constructor(producer: NativeProducer) {
    this.#native = producer;
  }

  /** Starts a producer. `namesrvAddr` may also come from the environment: `NAMESRV_ADDR`. */
  static async start(options: ProducerOptions = {}): Promise<Producer> {
    const settings = settingsOf(options);
    return new Producer(await attempt(() => native.NativeProducer.start(port, settings)));
  }

  /** Sends a message; resolves when a broker has it. The process stays alive until then. */
  send(message: Message, options?: SendOptions): Promise<SendReceipt> {
    return attempt(() => {
      const { orderingKey, queue } = options ?? {};
      const route = orderingKey === undefined && queue === undefined ? undefined : { orderingKey, queue };
      return this.#send(message, route, options);
    });
  }

  /** Sends a message without waiting for a broker's answer; it may be lost. */
  async sendOneway(message: Message, options?: OperationOptions): Promise<void> {
    await attempt(() => this.#send(message, { oneway: true }, options));
  }

  #send(message: Message, route: Route | undefined, options: OperationOptions | undefined) {
    const body = bytes(message.body);
    const start = (abort?: Abort) =>
      this.#native.send(
        message.topic,
        body,
        message.flag,
        properties(message),
        route,
        options?.timeoutMs,
        abort,
      );
    return options?.signal === undefined ? start() : abortable(options.signal, start);
  }

  /**
   * Sends several messages of one topic as one: they get neighbouring offsets of one queue, and
   * either all are stored or none. Much faster than one by one.
   */
  sendBatch(messages: readonly Message[], options?: OperationOptions): Promise<SendReceipt> {
    return attempt(() => {
      const topic = messages[0]?.topic;
      if (topic === undefined) throw invalid('a batch needs a message');
      const ends = new Array<number>(messages.length);
      let all: string[][] | undefined;
      let length = 0;
      for (let index = 0; index < messages.length; index++) {
        const message = messages[index]!;
        if (message.topic !== topic) throw invalid('a batch holds messages of one topic only');
        if (message.flag) throw invalid('a message of a batch has no flag');
        const { body } = message;
        if (typeof body === 'string') length += Buffer.byteLength(body);
        else if (body instanceof Uint8Array) length += body.length;
        else throw invalid('a body is a Buffer, a Uint8Array or a string');
        ends[index] = length;
        const own = properties(message);
        if (own !== undefined) {
          all ??= Array.from(messages, () => []);
          all[index] = own;
        }
      }
      const bodies = Buffer.allocUnsafe(length);
      let start = 0;
      for (let index = 0; index < messages.length; index++) {
        const { body } = messages[index]!;
        if (typeof body === 'string') bodies.write(body, start);
        else bodies.set(body, start);
        start = ends[index]!;
      }
      const send = (abort?: Abort) =>
        this.#native.sendBatch(topic, bodies, ends, all, options?.timeoutMs, abort);
      return options?.signal === undefined ? send() : abortable(options.signal, send);
    });
  }

  /** The queues that messages of a topic can be sent to; never empty. */
  queues(topic: string): Promise<MessageQueue[]> {
    return attempt(() => this.#native.queues(topic));
  }

  /** Waits for messages on their way, then leaves. Closing twice does nothing. */
  close(): Promise<void> {
    return this.#native.close();
  }

  /** For `await using`: closes. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
