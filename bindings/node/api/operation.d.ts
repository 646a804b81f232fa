import './dispose.js';
import { type Abort } from './native.js';
/** Wrong arguments reject; no function that returns a promise throws. */
export declare function attempt<T>(start: () => Promise<T>): Promise<T>;
/** Runs an operation that `signal` ends. */
export declare function abortable<T>(signal: AbortSignal, start: (abort: Abort) => Promise<T>): Promise<T>;
/** Names and values in turn, unread: the core knows them. */
export declare function settingsOf(options: object, own?: readonly string[]): string[];
