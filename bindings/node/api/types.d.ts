/** A queue of a topic. */
export interface MessageQueue {
    topic: string;
    /** The broker group that holds the queue. */
    brokerName: string;
    /** The queue's number within the topic on that broker, from 0. */
    queueId: number;
}
/** How safe a message is that the broker has taken. */
export type SendStatus = 'OK' | 'FLUSH_DISK_TIMEOUT' | 'FLUSH_SLAVE_TIMEOUT' | 'SLAVE_NOT_AVAILABLE';
/** Where a message went. */
export interface SendReceipt {
    /** `OK`: as safe as the broker is configured to make it. Otherwise stored, but not that safe. */
    status: SendStatus;
    /** The id that the producer gave it; of a batch those of its messages, joined by commas. */
    messageId: string;
    /** The id that says where it is stored; of a batch those of its messages, joined by commas. */
    offsetMessageId: string;
    queue: MessageQueue;
    /** The offset in the queue; of a batch the first. */
    queueOffset: bigint;
}
/** A message to be sent. */
export interface Message {
    topic: string;
    /** The body: bytes, or text that is sent as UTF-8. Copied before the call returns. */
    body: Uint8Array | string;
    /** By which consumers filter. */
    tag?: string | undefined;
    /** By which the message can be found later. */
    keys?: string | readonly string[] | undefined;
    /** Properties of the application. */
    properties?: Readonly<Record<string, string>> | undefined;
    /** Delays delivery: level 1 is a second, 18 two hours; see `messageDelayLevel` of the broker. */
    delayLevel?: number | undefined;
    /** A number that travels with the message untouched. */
    flag?: number | undefined;
}
/** How long an operation may take, and what ends it early. */
export interface OperationOptions {
    /** Rejects with the code `TIMEOUT` after so many ms, should the client's own limit not be over before. */
    timeoutMs?: number | undefined;
    /** Rejects with the code `ABORTED` when it fires. */
    signal?: AbortSignal | undefined;
}
export interface SendOptions extends OperationOptions {
    /** Messages of one key go to one queue and stay in order. */
    orderingKey?: string | undefined;
    /** Sends to this queue and tries no other. */
    queue?: MessageQueue | undefined;
}
export interface PollOptions {
    /** How many messages at most; 256 when not given. */
    max?: number | undefined;
    /** How long to wait for the first, in ms; 1000 when not given. Empty-handed is no error. */
    timeoutMs?: number | undefined;
    signal?: AbortSignal | undefined;
}
