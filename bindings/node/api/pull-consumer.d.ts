import { type ReceivedMessage } from './message.js';
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
export declare class PullConsumer implements AsyncIterable<ReceivedMessage[]> {
    #private;
    private constructor();
    /** Starts a consumer that has no queues yet. */
    static start(options: PullConsumerOptions): Promise<PullConsumer>;
    /**
     * Messages of one queue as soon as there are any; see {@link PollOptions}. With `autoCommit`, what
     * was polled before counts as handled.
     */
    poll(options?: PollOptions): Promise<ReceivedMessage[]>;
    /**
     * Polls until the consumer is closed. Leaving the loop, also by an error, closes it; the messages looked at last then
     * count as not handled, and come again.
     */
    [Symbol.asyncIterator](): AsyncGenerator<ReceivedMessage[], void, undefined>;
    /** Subscribes to a topic and shares its queues with the group. */
    subscribe(topic: string, tags?: string): Promise<void>;
    /** Reads a topic's queues no more. */
    unsubscribe(topic: string): Promise<void>;
    /** Reads these queues and no others, from the group's progress on. */
    assign(queues: readonly MessageQueue[]): Promise<void>;
    /** The queues of a topic. */
    topicQueues(topic: string): Promise<MessageQueue[]>;
    /** The queues that are read at present. */
    get assignment(): MessageQueue[];
    /** Goes on in a queue at an offset within it, its first message or behind its last. */
    seek(queue: MessageQueue, to: bigint | 'begin' | 'end'): Promise<void>;
    /** The group's progress in a queue; `null` when it never committed. */
    committed(queue: MessageQueue): Promise<bigint | null>;
    /** The offset of a queue at a time in ms since the epoch. */
    offsetForTimestamp(queue: MessageQueue, time: number): Promise<bigint>;
    /** Fetches no more messages of these queues. */
    pause(queues: readonly MessageQueue[]): void;
    /** Fetches messages of these queues again. */
    resume(queues: readonly MessageQueue[]): void;
    /** Makes what was polled the group's progress; resolves when the brokers have it. */
    commit(): Promise<void>;
    /** Commits what was polled if `autoCommit` is on, and leaves. Closing twice does nothing. */
    close(): Promise<void>;
    /** For `await using`: closes. */
    [Symbol.asyncDispose](): Promise<void>;
}
