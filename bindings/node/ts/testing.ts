/**
 * Help for tests: a server of their own, in milliseconds.
 *
 * @packageDocumentation
 */
import { Admin } from './admin.js';
import { Server, type ServerOptions } from './server.js';

export interface TestServerOptions extends ServerOptions {
  /** Topics to make, with their numbers of queues. */
  topics?: Readonly<Record<string, number>>;
}

/** A server for one test or one file of tests. */
export class TestServer {
  /** Settings of clients: `Producer.start(server.client)`. They hear of changes soon. */
  readonly client: {
    readonly namesrvAddr: string;
    readonly pollNameServerInterval: number;
    readonly heartbeatBrokerInterval: number;
    readonly persistConsumerOffsetInterval: number;
  };
  readonly server: Server;

  private constructor(server: Server) {
    this.server = server;
    this.client = {
      namesrvAddr: server.address,
      pollNameServerInterval: 200,
      heartbeatBrokerInterval: 500,
      persistConsumerOffsetInterval: 100,
    };
  }

  static async start(options: TestServerOptions = {}): Promise<TestServer> {
    const { topics = {}, ...rest } = options;
    const test = new TestServer(await Server.start(rest));
    try {
      for (const [topic, queues] of Object.entries(topics)) await test.createTopic(topic, queues);
    } catch (error) {
      await test.close();
      throw error;
    }
    return test;
  }

  get address(): string {
    return this.server.address;
  }

  async createTopic(topic: string, queues = 1): Promise<void> {
    const admin = await Admin.start(this.client);
    try {
      await admin.createTopic(topic, { queues });
    } finally {
      await admin.close();
    }
  }

  close(): Promise<void> {
    return this.server.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Runs `body` with a server of its own, which is closed at the end whatever happens. */
export async function withServer<T>(
  body: (server: TestServer) => Promise<T>,
  options: TestServerOptions = {},
): Promise<T> {
  const server = await TestServer.start(options);
  try {
    return await body(server);
  } finally {
    await server.close();
  }
}
