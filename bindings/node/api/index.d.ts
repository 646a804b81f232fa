export { Admin, type QueueExtent, type QueueProgress } from './admin.js';
export { Batch, Consumer, Delivery, type ConsumerEventEmitter, type ConsumerEvents, type ConsumerOptions, type IterationOptions, type RunOptions, } from './consumer.js';
export { ERROR_NUMBERS, FerroMQError, type ErrorCode } from './errors.js';
export { ReceivedMessage } from './message.js';
export { Producer, type ProducerOptions } from './producer.js';
export { PullConsumer, type PullConsumerOptions } from './pull-consumer.js';
export { Server, type ServerOptions } from './server.js';
export type { BrokerSettings, ClientSettings, ConsumerSettings, ProducerSettings, StoreSettings, } from './settings.js';
export type { Message, MessageQueue, OperationOptions, PollOptions, SendOptions, SendReceipt, SendStatus, } from './types.js';
/** The version of the package and of the core inside it. */
export declare const version: string;
