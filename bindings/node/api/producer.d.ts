import type { ClientSettings, ProducerSettings } from './settings.js';
import type { Message, MessageQueue, OperationOptions, SendOptions, SendReceipt } from './types.js';
export type ProducerOptions = Partial<ClientSettings & ProducerSettings>;
/**
 * Sends messages. Those of a topic go round-robin to its queues; when a broker fails, a send goes to
 * another one, twice by default, within `sendMsgTimeout`.
 */
export declare class Producer {
    #private;
    private constructor();
    /** Starts a producer. `namesrvAddr` may also come from the environment: `NAMESRV_ADDR`. */
    static start(options?: ProducerOptions): Promise<Producer>;
    /** Sends a message; resolves when a broker has it. The process stays alive until then. */
    send(message: Message, options?: SendOptions): Promise<SendReceipt>;
    /** Sends a message without waiting for a broker's answer; it may be lost. */
    sendOneway(message: Message, options?: OperationOptions): Promise<void>;
    /**
     * Sends several messages of one topic as one: they get neighbouring offsets of one queue, and
     * either all are stored or none. Much faster than one by one.
     */
    sendBatch(messages: readonly Message[], options?: OperationOptions): Promise<SendReceipt>;
    /** The queues that messages of a topic can be sent to; never empty. */
    queues(topic: string): Promise<MessageQueue[]>;
    /** Waits for messages on their way, then leaves. Closing twice does nothing. */
    close(): Promise<void>;
    /** For `await using`: closes. */
    [Symbol.asyncDispose](): Promise<void>;
}
