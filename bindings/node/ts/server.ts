import { native, port, type NativeServer } from './native.js';
import { attempt, settingsOf } from './operation.js';
import type { BrokerSettings, StoreSettings } from './settings.js';

export interface ServerOptions extends Partial<BrokerSettings & StoreSettings> {
  /** Where messages are kept; without it a temporary directory that goes with the server. */
  directory?: string;
}

/** A name server and a broker in this process, on free ports of the loopback interface. */
export class Server {
  readonly #native: NativeServer;

  private constructor(server: NativeServer) {
    this.#native = server;
  }

  /** Starts a server; it serves when the promise resolves. Several can run in one process. */
  static async start(options: ServerOptions = {}): Promise<Server> {
    const settings = settingsOf(options, ['directory']);
    const start = () => native.NativeServer.start(port, options.directory, settings);
    return new Server(await attempt(start));
  }

  /** The name server's address, `host:port`: what clients need as `namesrvAddr`. */
  get address(): string {
    return this.#native.address;
  }

  /** The broker's address, `host:port`. */
  get brokerAddress(): string {
    return this.#native.brokerAddress;
  }

  /** Ends both; a temporary directory is removed. Closing twice does nothing. */
  close(): Promise<void> {
    return this.#native.close();
  }

  /** For `await using`: closes. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
