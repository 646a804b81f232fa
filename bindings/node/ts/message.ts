import { inspect } from 'node:util';
import type { Packed } from './native.js';
import type { MessageQueue } from './types.js';

/** Where the parts of a message are, from its beginning; see src/pack.rs. */
const AT = {
  bornTimestamp: 0,
  storeTimestamp: 8,
  queueOffset: 16,
  queueId: 24,
  flag: 28,
  reconsumeTimes: 32,
  large: 36,
  lengths: 40,
  texts: 76,
};
const NO_LARGE = 0xffffffff;
const TEXTS = { topic: 0, brokerName: 1, messageId: 2, offsetMessageId: 3, bornHost: 4, storeHost: 5, properties: 6, queueTopic: 7, body: 8 };

/** A message that was received. Its fields are read when they are asked for. */
export class ReceivedMessage {
  readonly #packed: Buffer;
  readonly #large: Buffer[];
  readonly #at: number;
  #body: Buffer | undefined;
  #properties: Readonly<Record<string, string>> | undefined;

  /** @internal */
  constructor({ packed, large }: Packed, index: number) {
    this.#packed = packed;
    this.#large = large;
    this.#at = packed.readUInt32LE(4 + 4 * index);
  }

  #extent(field: number): [number, number] {
    let start = this.#at + AT.texts;
    const lengths = this.#at + AT.lengths;
    for (let before = 0; before < field; before++) start += this.#packed.readUInt32LE(lengths + 4 * before);
    return [start, start + this.#packed.readUInt32LE(lengths + 4 * field)];
  }

  #text(field: number): string {
    const [start, end] = this.#extent(field);
    return this.#packed.toString('utf8', start, end);
  }

  /** The topic; of a retried message the one it was sent to first. */
  get topic(): string {
    return this.#text(TEXTS.topic);
  }

  /**
   * The body. Bodies of 4 KiB and more are seen where they were received, smaller ones lie in one
   * copy with the others of their batch: copy a body that is to outlive the rest.
   */
  get body(): Buffer {
    if (this.#body === undefined) {
      const large = this.#packed.readUInt32LE(this.#at + AT.large);
      if (large === NO_LARGE) {
        const [start, end] = this.#extent(TEXTS.body);
        this.#body = this.#packed.subarray(start, end);
      } else {
        this.#body = this.#large[large]!;
      }
    }
    return this.#body;
  }

  /** The body as UTF-8. */
  text(): string {
    return this.body.toString('utf8');
  }

  /** The tag. */
  get tag(): string | undefined {
    return this.properties['TAGS'];
  }

  /** The keys. */
  get keys(): string[] {
    return this.properties['KEYS']?.split(' ') ?? [];
  }

  /** All properties, those that RocketMQ defines among them. */
  get properties(): Readonly<Record<string, string>> {
    if (this.#properties === undefined) {
      const all: Record<string, string> = Object.create(null);
      for (const pair of this.#text(TEXTS.properties).split('\u0002')) {
        const end = pair.indexOf('\u0001');
        if (end >= 0) all[pair.slice(0, end)] = pair.slice(end + 1);
      }
      this.#properties = Object.freeze(all);
    }
    return this.#properties;
  }

  /** The queue that it was read from. */
  get queue(): MessageQueue {
    return {
      topic: this.#text(TEXTS.queueTopic),
      brokerName: this.#text(TEXTS.brokerName),
      queueId: this.#packed.readInt32LE(this.#at + AT.queueId),
    };
  }

  /** The offset in that queue. */
  get queueOffset(): bigint {
    return this.#packed.readBigInt64LE(this.#at + AT.queueOffset);
  }

  /** The id that the producer gave it, or else where it is stored. */
  get messageId(): string {
    return this.#text(TEXTS.messageId);
  }

  /** The id that says where it is stored. */
  get offsetMessageId(): string {
    return this.#text(TEXTS.offsetMessageId);
  }

  /** When the producer sent it, in ms. */
  get bornTimestamp(): number {
    return this.#packed.readDoubleLE(this.#at + AT.bornTimestamp);
  }

  /** Who sent it. */
  get bornHost(): string {
    return this.#text(TEXTS.bornHost);
  }

  /** When the broker stored it, in ms. */
  get storeTimestamp(): number {
    return this.#packed.readDoubleLE(this.#at + AT.storeTimestamp);
  }

  /** Which broker stored it. */
  get storeHost(): string {
    return this.#text(TEXTS.storeHost);
  }

  /** How often it was handled without success. */
  get reconsumeTimes(): number {
    return this.#packed.readInt32LE(this.#at + AT.reconsumeTimes);
  }

  /** The number that the producer gave it. */
  get flag(): number {
    return this.#packed.readInt32LE(this.#at + AT.flag);
  }

  /** Prints the message with the beginning of its body. */
  [inspect.custom](): string {
    const { body, queue } = this;
    const start = body.toString('utf8', 0, 60);
    const rest = body.length > 60 ? `… (${body.length} bytes)` : '';
    const where = `${queue.topic}@${queue.brokerName}:${queue.queueId}`;
    return `${this.constructor.name} ${where} ${this.queueOffset} ${inspect(start)}${rest}`;
  }
}

/** @internal All messages of a batch. */
export function unpack(packed: Packed): ReceivedMessage[] {
  const count = packed.packed.readUInt32LE(0);
  const messages = new Array<ReceivedMessage>(count);
  for (let index = 0; index < count; index++) messages[index] = new ReceivedMessage(packed, index);
  return messages;
}
