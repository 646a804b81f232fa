import type { BrokerSettings, StoreSettings } from './settings.js';
export interface ServerOptions extends Partial<BrokerSettings & StoreSettings> {
    /** Where messages are kept; without it a temporary directory that goes with the server. */
    directory?: string;
}
/** A name server and a broker in this process, on free ports of the loopback interface. */
export declare class Server {
    #private;
    private constructor();
    /** Starts a server; it serves when the promise resolves. Several can run in one process. */
    static start(options?: ServerOptions): Promise<Server>;
    /** The name server's address, `host:port`: what clients need as `namesrvAddr`. */
    get address(): string;
    /** The broker's address, `host:port`. */
    get brokerAddress(): string;
    /** Ends both; a temporary directory is removed. Closing twice does nothing. */
    close(): Promise<void>;
    /** For `await using`: closes. */
    [Symbol.asyncDispose](): Promise<void>;
}
