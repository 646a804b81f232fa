/**
 * What can go wrong, by name: of this side first, then the answers of brokers.
 *
 * @see FerroMQError.codeNumber for the numbers
 */
export declare const ERROR_NUMBERS: {
    readonly INVALID_ARGUMENT: -1;
    readonly NO_NAME_SERVER: -2;
    readonly NAME_SERVERS_DOWN: -3;
    readonly TOPIC_NOT_FOUND: -4;
    readonly NO_WRITABLE_QUEUE: -5;
    readonly BROKER_UNKNOWN: -6;
    readonly TIMEOUT: -7;
    readonly CONNECTION: -8;
    readonly MALFORMED: -9;
    readonly CLOSED: -10;
    readonly FILE: -11;
    readonly FORKED: -12;
    readonly NO_BROKER: -13;
    readonly UNPOLLED: -14;
    readonly INTERNAL: -100;
    readonly ABORTED: -101;
    readonly SERVER: -102;
    readonly SYSTEM_ERROR: 1;
    readonly SYSTEM_BUSY: 2;
    readonly REQUEST_CODE_NOT_SUPPORTED: 3;
    readonly TRANSACTION_FAILED: 4;
    readonly FLUSH_DISK_TIMEOUT: 10;
    readonly SLAVE_NOT_AVAILABLE: 11;
    readonly FLUSH_SLAVE_TIMEOUT: 12;
    readonly MESSAGE_ILLEGAL: 13;
    readonly SERVICE_NOT_AVAILABLE: 14;
    readonly VERSION_NOT_SUPPORTED: 15;
    readonly NO_PERMISSION: 16;
    readonly TOPIC_NOT_EXIST: 17;
    readonly TOPIC_EXIST_ALREADY: 18;
    readonly PULL_NOT_FOUND: 19;
    readonly PULL_RETRY_IMMEDIATELY: 20;
    readonly PULL_OFFSET_MOVED: 21;
    readonly QUERY_NOT_FOUND: 22;
    readonly SUBSCRIPTION_PARSE_FAILED: 23;
    readonly SUBSCRIPTION_NOT_EXIST: 24;
    readonly SUBSCRIPTION_NOT_LATEST: 25;
    readonly SUBSCRIPTION_GROUP_NOT_EXIST: 26;
    readonly FILTER_DATA_NOT_EXIST: 27;
    readonly FILTER_DATA_NOT_LATEST: 28;
    readonly INVALID_PARAMETER: 29;
    readonly TRANSACTION_SHOULD_COMMIT: 200;
    readonly TRANSACTION_SHOULD_ROLLBACK: 201;
    readonly TRANSACTION_STATE_UNKNOW: 202;
    readonly TRANSACTION_STATE_GROUP_WRONG: 203;
    readonly NO_BUYER_ID: 204;
    readonly NOT_IN_CURRENT_UNIT: 205;
    readonly CONSUMER_NOT_ONLINE: 206;
    readonly CONSUME_MSG_TIMEOUT: 207;
    readonly NO_MESSAGE: 208;
    readonly POLLING_FULL: 209;
    readonly POLLING_TIMEOUT: 210;
    readonly BROKER_NOT_EXIST: 211;
    readonly BROKER_DISPATCH_NOT_COMPLETE: 212;
    readonly BROADCAST_CONSUMPTION: 213;
    readonly FLOW_CONTROL: 215;
    readonly NOT_LEADER_FOR_QUEUE: 501;
    readonly ILLEGAL_OPERATION: 604;
    readonly GO_AWAY: 1500;
};
/**
 * The kind of an error. `REFUSED` is an answer of a broker that has no name, `ABORTED` comes of an
 * `AbortSignal`, `SERVER` of an embedded server that did not start; `INTERNAL` is a defect.
 */
export type ErrorCode = keyof typeof ERROR_NUMBERS | 'REFUSED';
/** Every error of this package. The message says what to do and names what is involved. */
export declare class FerroMQError extends Error {
    /** The kind in one word, the same in every language. */
    readonly code: ErrorCode;
    /** The kind as a number: negative for errors of this side, positive for answers of brokers. */
    readonly codeNumber: number;
    /** Whether the same call may succeed when it is made again. */
    readonly retryable: boolean;
    /** The response code, when a server refused. */
    readonly brokerCode: number | undefined;
    constructor(code: ErrorCode, message: string, details?: {
        codeNumber?: number;
        retryable?: boolean;
        brokerCode?: number | undefined;
        cause?: unknown;
    });
    static [Symbol.hasInstance](value: unknown): boolean;
}
