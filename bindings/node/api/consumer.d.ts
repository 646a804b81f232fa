import { ReceivedMessage } from './message.js';
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
export declare class Delivery extends ReceivedMessage {
    #private;
    /** The message was handled. Settling it twice does nothing; says whether this was the first time. */
    ack(): boolean;
    /**
     * The message was not handled and comes again: after the time of `delayLevel`, or one that the
     * broker chooses when there is none; a negative level makes a dead letter of it.
     */
    retryLater(delayLevel?: number): boolean;
}
/** The messages of a poll. */
export declare class Batch implements Iterable<Delivery> {
    #private;
    readonly messages: readonly Delivery[];
    get length(): number;
    /** Acknowledges those that are not settled. */
    ack(): void;
    /** Gives those back that are not settled. */
    retryLater(delayLevel?: number): void;
    [Symbol.iterator](): IterableIterator<Delivery>;
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
/**
 * Receives messages as a member of a group. Use it in one of three ways:
 *
 * - `for await (const batch of consumer)`: going on to the next batch acknowledges what is not
 *   settled; leaving the loop, also by an error, gives it back and closes the consumer;
 * - {@link run} with a handler for each message;
 * - {@link poll}, and settle each message yourself.
 */
export declare class Consumer implements AsyncIterable<Batch> {
    #private;
    /** Life-cycle and diagnostics. */
    readonly events: ConsumerEventEmitter;
    private constructor();
    /** Joins the group and begins to receive. */
    static start(options: ConsumerOptions): Promise<Consumer>;
    /** The id by which brokers know this consumer. */
    get clientId(): string;
    /** The queues that are this consumer's at present. */
    get queues(): MessageQueue[];
    /** Messages as soon as there are any; see {@link PollOptions}. Each must be settled. */
    poll(options?: PollOptions): Promise<Batch>;
    /** Batches until the consumer is closed or `signal` fires; see {@link Consumer}. */
    batches(options?: IterationOptions): AsyncGenerator<Batch, void, undefined>;
    [Symbol.asyncIterator](): AsyncGenerator<Batch, void, undefined>;
    /**
     * Handles messages side by side until the consumer is closed or `signal` fires. A message whose
     * handler resolves is acknowledged; when it rejects, the message comes again later and `error` is
     * emitted.
     */
    run(handler: (message: Delivery) => unknown, options?: RunOptions): Promise<void>;
    /** Subscribes to another topic, or to other tags of one. */
    subscribe(topic: string, tags?: string): Promise<void>;
    /** Consumes a topic no more. */
    unsubscribe(topic: string): Promise<void>;
    /** Fetches no more messages until {@link resume}. */
    pause(): void;
    /** Fetches messages again. */
    resume(): void;
    /** Stores the group's progress now, instead of every `persistConsumerOffsetInterval`; resolves when the brokers have it. */
    commit(): Promise<void>;
    /**
     * Stores progress and leaves the group. Messages that are not settled come again. Polls that wait
     * reject with `CLOSED`, loops end. Closing twice does nothing.
     */
    close(): Promise<void>;
    /** For `await using`: closes. */
    [Symbol.asyncDispose](): Promise<void>;
}
