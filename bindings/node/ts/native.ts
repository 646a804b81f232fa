// The native module, typed by hand: what is behind it is in src/.
// eslint-disable-next-line
// @ts-ignore: plain JavaScript, one file for both kinds of module
import loaded from '../../native/index.cjs';
import { FerroMQError } from './errors.js';
import type { MessageQueue, SendReceipt } from './types.js';

export interface Packed {
  packed: Buffer;
  large: Buffer[];
}

export interface Lease {
  ack(index: number): boolean;
  retryLater(index: number, delayLevel: number): boolean;
  ackAll(): void;
  retryAllLater(delayLevel: number): void;
}

export interface Polled extends Packed {
  lease: Lease;
}

export interface Abort {
  abort(): void;
}

export interface Route {
  orderingKey?: string | undefined;
  queue?: MessageQueue | undefined;
  oneway?: boolean | undefined;
}

type Optional<T> = T | undefined;
export type Port = object;

export interface NativeProducer {
  send(
    topic: string,
    body: Uint8Array,
    flag: Optional<number>,
    properties: Optional<string[]>,
    route: Optional<Route>,
    timeoutMs: Optional<number>,
    abort: Optional<Abort>,
  ): Promise<SendReceipt>;
  sendBatch(
    topic: string,
    bodies: Uint8Array,
    ends: number[],
    properties: Optional<string[][]>,
    timeoutMs: Optional<number>,
    abort: Optional<Abort>,
  ): Promise<SendReceipt>;
  queues(topic: string): Promise<MessageQueue[]>;
  close(): Promise<void>;
}

interface NativePolling<P> {
  poll(max: number, waitMs: number, keepAlive: boolean, abort: Optional<Abort>): Promise<P>;
  subscribe(topic: string, tags: string): Promise<void>;
  unsubscribe(topic: string): Promise<void>;
  commit(): Promise<void>;
  close(): Promise<void>;
}

export interface NativeConsumer extends NativePolling<Polled> {
  readonly clientId: string;
  queues(): MessageQueue[];
  pause(): void;
  resume(): void;
}

export interface NativePullConsumer extends NativePolling<Packed> {
  forgetPolled(): void;
  assign(queues: MessageQueue[]): Promise<void>;
  topicQueues(topic: string): Promise<MessageQueue[]>;
  assignment(): MessageQueue[];
  seek(queue: MessageQueue, offset: bigint): Promise<void>;
  seekTo(queue: MessageQueue, place: 'Begin' | 'End'): Promise<void>;
  committed(queue: MessageQueue): Promise<bigint | null>;
  offsetForTimestamp(queue: MessageQueue, time: number): Promise<bigint>;
  pause(queues: MessageQueue[]): void;
  resume(queues: MessageQueue[]): void;
}

export interface NativeAdmin {
  createTopic(name: string, queues: number): Promise<void>;
  deleteTopic(topic: string): Promise<void>;
  topics(): Promise<string>;
  topicStats(topic: string): Promise<string>;
  groups(): Promise<string>;
  createGroup(group: string): Promise<void>;
  deleteGroup(group: string): Promise<void>;
  consumeStats(group: string, topic: Optional<string>): Promise<string>;
  resetOffset(group: string, topic: string, time: number): Promise<string>;
  viewMessage(id: string): Promise<Packed>;
  queryMessages(topic: string, key: string, max: number): Promise<Packed>;
  brokers(): Promise<string>;
  runtimeInfo(broker: string): Promise<string>;
  close(): Promise<void>;
}

export interface NativeServer {
  readonly address: string;
  readonly brokerAddress: string;
  close(): Promise<void>;
}

interface Native {
  Port: new (
    errors: (
      name: string,
      code: number,
      message: string,
      retryable: boolean,
      brokerCode: number | undefined,
      causes: string[],
    ) => FerroMQError,
  ) => Port;
  Abort: new () => Abort;
  NativeProducer: { start(port: Port, settings: string[]): Promise<NativeProducer> };
  NativeConsumer: {
    start(
      port: Port,
      settings: string[],
      subscriptions: string[],
      ordered: boolean,
    ): Promise<NativeConsumer>;
  };
  NativePullConsumer: { start(port: Port, settings: string[]): Promise<NativePullConsumer> };
  NativeAdmin: { start(port: Port, settings: string[]): Promise<NativeAdmin> };
  NativeServer: {
    start(port: Port, directory: string | undefined, settings: string[]): Promise<NativeServer>;
  };
  settings(): string;
  errors(): string;
  version(): string;
}

export const native = loaded as Native;

/** The way from the clients' threads to this one; each worker has its own. */
export const port: Port = new native.Port(FerroMQError.fromNative);
