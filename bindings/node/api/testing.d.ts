import { Server, type ServerOptions } from './server.js';
export interface TestServerOptions extends ServerOptions {
    /** Topics to make, with their numbers of queues. */
    topics?: Readonly<Record<string, number>>;
}
/** A server for one test or one file of tests. */
export declare class TestServer {
    /** Settings of clients: `Producer.start(server.client)`. They hear of changes soon. */
    readonly client: {
        readonly namesrvAddr: string;
        readonly pollNameServerInterval: number;
        readonly heartbeatBrokerInterval: number;
        readonly persistConsumerOffsetInterval: number;
    };
    readonly server: Server;
    private constructor();
    static start(options?: TestServerOptions): Promise<TestServer>;
    get address(): string;
    createTopic(topic: string, queues?: number): Promise<void>;
    close(): Promise<void>;
    [Symbol.asyncDispose](): Promise<void>;
}
/** Runs `body` with a server of its own, which is closed at the end whatever happens. */
export declare function withServer<T>(body: (server: TestServer) => Promise<T>, options?: TestServerOptions): Promise<T>;
