import { inspect } from 'node:util';
import type { MessageQueue } from './types.js';
/** A message that was received. Its fields are read when they are asked for. */
export declare class ReceivedMessage {
    #private;
    /** The topic; of a retried message the one it was sent to first. */
    get topic(): string;
    /**
     * The body. Bodies of 4 KiB and more are seen where they were received, smaller ones lie in one
     * copy with the others of their batch: copy a body that is to outlive the rest.
     */
    get body(): Buffer;
    /** The body as UTF-8. */
    text(): string;
    /** The tag. */
    get tag(): string | undefined;
    /** The keys. */
    get keys(): string[];
    /** All properties, those that RocketMQ defines among them. */
    get properties(): Readonly<Record<string, string>>;
    /** The queue that it was read from. */
    get queue(): MessageQueue;
    /** The offset in that queue. */
    get queueOffset(): bigint;
    /** The id that the producer gave it, or else where it is stored. */
    get messageId(): string;
    /** The id that says where it is stored. */
    get offsetMessageId(): string;
    /** When the producer sent it, in ms. */
    get bornTimestamp(): number;
    /** Who sent it. */
    get bornHost(): string;
    /** When the broker stored it, in ms. */
    get storeTimestamp(): number;
    /** Which broker stored it. */
    get storeHost(): string;
    /** How often it was handled without success. */
    get reconsumeTimes(): number;
    /** The number that the producer gave it. */
    get flag(): number;
    /** Prints the message with the beginning of its body. */
    [inspect.custom](): string;
}
