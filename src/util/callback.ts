import { describeValue } from './describe-value.js';

/** Most warnings about one callback. Messages may contain counters, so that each one is new. */
const MAX_WARNINGS = 10;

/**
 * Wraps a callback of the caller of this package. What it throws, or what its promise rejects with, neither fails nor
 * stops the work that calls it: it is emitted as a process warning, each message once.
 * @param title text for the callback in warnings, for example `onRepair of watchDrift`
 */
export function guardCallback<Args extends unknown[]>(
  title: string,
  callback: (...args: Args) => unknown,
): (...args: Args) => void {
  const warned = new Set<string>();
  const warn = (error: unknown) => {
    const message = `the callback ${title} failed: ${reasonOf(error)}`;
    if (warned.has(message) || warned.size >= MAX_WARNINGS) return;
    warned.add(message);
    emitWarning(message, error);
  };
  return (...args) => {
    try {
      const result = callback(...args);
      if (typeof result === 'object' && result !== null) Promise.resolve(result).catch(warn);
    } catch (error) {
      warn(error);
    }
  };
}

/** Wraps all functions of an object of callbacks as `guardCallback` does. */
export function guardCallbacks<Callbacks extends object>(title: string, callbacks: Callbacks): Callbacks {
  const guarded = Object.entries(callbacks).map(([name, callback]) => [
    name,
    typeof callback === 'function' ? guardCallback(`${name} of ${title}`, callback as () => unknown) : callback,
  ]);
  return Object.fromEntries(guarded) as Callbacks;
}

/** Emits a process warning of this package. @param error its stack is shown below the message */
export function emitWarning(message: string, error?: unknown): void {
  const detail = error instanceof Error ? ownText(error, 'stack') : undefined;
  process.emitWarning(message, { type: 'VethworkWarning', ...(detail !== undefined && { detail }) });
}

function reasonOf(error: unknown): string {
  return (error instanceof Error ? ownText(error, 'message') : undefined) ?? describeValue(error);
}

/** Reads a text of an error. A thrown value may be anything, also an object whose getters throw. */
function ownText(error: Error, name: 'message' | 'stack'): string | undefined {
  try {
    const text: unknown = error[name];
    return typeof text === 'string' ? text : undefined;
  } catch {
    return undefined;
  }
}
