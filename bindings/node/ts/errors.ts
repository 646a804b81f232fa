/**
 * What can go wrong, by name: of this side first, then the answers of brokers.
 *
 * @see FerroMQError.codeNumber for the numbers
 */
export const ERROR_NUMBERS = {
  INVALID_ARGUMENT: -1,
  NO_NAME_SERVER: -2,
  NAME_SERVERS_DOWN: -3,
  TOPIC_NOT_FOUND: -4,
  NO_WRITABLE_QUEUE: -5,
  BROKER_UNKNOWN: -6,
  TIMEOUT: -7,
  CONNECTION: -8,
  MALFORMED: -9,
  CLOSED: -10,
  FILE: -11,
  FORKED: -12,
  NO_BROKER: -13,
  UNPOLLED: -14,
  INTERNAL: -100,
  ABORTED: -101,
  SERVER: -102,
  SYSTEM_ERROR: 1,
  SYSTEM_BUSY: 2,
  REQUEST_CODE_NOT_SUPPORTED: 3,
  TRANSACTION_FAILED: 4,
  FLUSH_DISK_TIMEOUT: 10,
  SLAVE_NOT_AVAILABLE: 11,
  FLUSH_SLAVE_TIMEOUT: 12,
  MESSAGE_ILLEGAL: 13,
  SERVICE_NOT_AVAILABLE: 14,
  VERSION_NOT_SUPPORTED: 15,
  NO_PERMISSION: 16,
  TOPIC_NOT_EXIST: 17,
  TOPIC_EXIST_ALREADY: 18,
  PULL_NOT_FOUND: 19,
  PULL_RETRY_IMMEDIATELY: 20,
  PULL_OFFSET_MOVED: 21,
  QUERY_NOT_FOUND: 22,
  SUBSCRIPTION_PARSE_FAILED: 23,
  SUBSCRIPTION_NOT_EXIST: 24,
  SUBSCRIPTION_NOT_LATEST: 25,
  SUBSCRIPTION_GROUP_NOT_EXIST: 26,
  FILTER_DATA_NOT_EXIST: 27,
  FILTER_DATA_NOT_LATEST: 28,
  INVALID_PARAMETER: 29,
  TRANSACTION_SHOULD_COMMIT: 200,
  TRANSACTION_SHOULD_ROLLBACK: 201,
  TRANSACTION_STATE_UNKNOW: 202,
  TRANSACTION_STATE_GROUP_WRONG: 203,
  NO_BUYER_ID: 204,
  NOT_IN_CURRENT_UNIT: 205,
  CONSUMER_NOT_ONLINE: 206,
  CONSUME_MSG_TIMEOUT: 207,
  NO_MESSAGE: 208,
  POLLING_FULL: 209,
  POLLING_TIMEOUT: 210,
  BROKER_NOT_EXIST: 211,
  BROKER_DISPATCH_NOT_COMPLETE: 212,
  BROADCAST_CONSUMPTION: 213,
  FLOW_CONTROL: 215,
  NOT_LEADER_FOR_QUEUE: 501,
  ILLEGAL_OPERATION: 604,
  GO_AWAY: 1500,
} as const;

/**
 * The kind of an error. `REFUSED` is an answer of a broker that has no name, `ABORTED` comes of an
 * `AbortSignal`, `SERVER` of an embedded server that did not start; `INTERNAL` is a defect.
 */
export type ErrorCode = keyof typeof ERROR_NUMBERS | 'REFUSED';

const BRAND = Symbol.for('ferromq.error');

/** Every error of this package. The message says what to do and names what is involved. */
export class FerroMQError extends Error {
  /** The kind in one word, the same in every language. */
  readonly code: ErrorCode;
  /** The kind as a number: negative for errors of this side, positive for answers of brokers. */
  readonly codeNumber: number;
  /** Whether the same call may succeed when it is made again. */
  readonly retryable: boolean;
  /** The response code, when a server refused. */
  readonly brokerCode: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    details: {
      codeNumber?: number;
      retryable?: boolean;
      brokerCode?: number | undefined;
      cause?: unknown;
    } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    // As everywhere on the platform: whoever looks for aborted operations looks at the name.
    this.name = code === 'ABORTED' ? 'AbortError' : 'FerroMQError';
    this.code = code;
    this.codeNumber =
      details.codeNumber ??
      (ERROR_NUMBERS as Partial<Record<string, number>>)[code] ??
      ERROR_NUMBERS.INTERNAL;
    this.retryable = details.retryable ?? false;
    this.brokerCode = details.brokerCode;
    Object.defineProperty(this, BRAND, { value: true });
  }

  // The package may be loaded twice, as ESM and as CommonJS: an error of one is one of the other.
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== FerroMQError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === 'object' && value !== null && BRAND in value;
  }

  /** @internal */
  static fromNative(
    this: void,
    code: string,
    codeNumber: number,
    message: string,
    retryable: boolean,
    brokerCode: number | undefined | null,
    causes: string[],
  ): FerroMQError {
    let cause: Error | undefined;
    for (const text of causes.reverse()) {
      cause = new Error(text, cause === undefined ? undefined : { cause });
    }
    return new FerroMQError(code as ErrorCode, message, {
      codeNumber,
      retryable,
      brokerCode: brokerCode ?? undefined,
      cause,
    });
  }
}

/** @internal */
export function invalid(message: string): FerroMQError {
  return new FerroMQError('INVALID_ARGUMENT', message);
}

/** @internal What the native module says of arguments that it cannot read, as one of ours. */
export function ours(error: unknown): FerroMQError {
  if (error instanceof FerroMQError) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new FerroMQError('INVALID_ARGUMENT', text, { cause: error });
}
