import './dispose.js';
import { FerroMQError, ours } from './errors.js';
import { native, type Abort } from './native.js';

/** Wrong arguments reject; no function that returns a promise throws. */
export function attempt<T>(start: () => Promise<T>): Promise<T> {
  try {
    return start();
  } catch (error) {
    return Promise.reject(ours(error));
  }
}

function aborted(signal: AbortSignal): FerroMQError {
  return new FerroMQError('ABORTED', 'the operation was aborted', { cause: signal.reason });
}

/** Runs an operation that `signal` ends. */
export async function abortable<T>(
  signal: AbortSignal,
  start: (abort: Abort) => Promise<T>,
): Promise<T> {
  if (signal.aborted) throw aborted(signal);
  const abort = new native.Abort();
  const onAbort = () => abort.abort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await start(abort);
  } catch (error) {
    throw error instanceof FerroMQError && error.code === 'ABORTED' ? aborted(signal) : ours(error);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Names and values in turn, unread: the core knows them. */
export function settingsOf(
  options: object,
  own: readonly string[] = [],
): string[] {
  const settings: string[] = [];
  for (const [key, value] of Object.entries(options)) {
    if (value !== undefined && !own.includes(key)) settings.push(key, String(value));
  }
  return settings;
}
