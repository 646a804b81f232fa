import { type ReceivedMessage } from './message.js';
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
/** Looks after topics, groups and progress. */
export declare class Admin {
    #private;
    private constructor();
    /** Connects when first asked something. */
    static start(options?: Partial<ClientSettings>): Promise<Admin>;
    /** Makes a topic, or changes it, on every broker. */
    createTopic(topic: string, options?: {
        queues?: number;
    }): Promise<void>;
    deleteTopic(topic: string): Promise<void>;
    topics(): Promise<string[]>;
    topicStats(topic: string): Promise<QueueExtent[]>;
    groups(): Promise<string[]>;
    createGroup(group: string): Promise<void>;
    /** Deletes a group and its progress. */
    deleteGroup(group: string): Promise<void>;
    /** How far a group has come. */
    consumeStats(group: string, topic?: string): Promise<QueueProgress[]>;
    /** Sets a group's progress to a time in ms since the epoch; -1 is the end. */
    resetOffset(group: string, topic: string, time: number): Promise<{
        queue: MessageQueue;
        offset: bigint;
    }[]>;
    /** The message with an offset message id. */
    viewMessage(offsetMessageId: string): Promise<ReceivedMessage>;
    /** Messages of a topic with a key, or with a message id. */
    queryMessages(topic: string, key: string, max?: number): Promise<ReceivedMessage[]>;
    /** The addresses of all master brokers. */
    brokers(): Promise<string[]>;
    /** What a broker tells about itself. */
    runtimeInfo(broker: string): Promise<Record<string, string>>;
    /** Leaves. Closing twice does nothing. */
    close(): Promise<void>;
    /** For `await using`: closes. */
    [Symbol.asyncDispose](): Promise<void>;
}
