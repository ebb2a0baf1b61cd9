/** The callbacks of one signal, and the listener that calls them. */
interface Registration {
  callbacks: Set<() => void>;
  listener: () => void;
}

const registrations = new WeakMap<AbortSignal, Registration>();

/**
 * Calls a callback when a signal is aborted. The signal gets at most one event listener for all callbacks: a signal that is
 * passed to many concurrent calls would otherwise cause Node's MaxListenersExceededWarning.
 * @returns removes the callback. The listener is removed with the last callback.
 */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal === undefined) return () => undefined;
  const registration = registrations.get(signal) ?? register(signal);
  registration.callbacks.add(callback);
  return () => {
    registration.callbacks.delete(callback);
    if (registration.callbacks.size > 0 || registrations.get(signal) !== registration) return;
    registrations.delete(signal);
    signal.removeEventListener('abort', registration.listener);
  };
}

function register(signal: AbortSignal): Registration {
  const callbacks = new Set<() => void>();
  const listener = () => {
    const due = [...callbacks];
    // The signal may outlive the calls: it must not keep their callbacks in memory.
    callbacks.clear();
    registrations.delete(signal);
    for (const callback of due) callback();
  };
  signal.addEventListener('abort', listener, { once: true });
  const registration = { callbacks, listener };
  registrations.set(signal, registration);
  return registration;
}

/** Waits for a promise until the signal is aborted. @throws the signal's reason */
export function rejectOnAbort<Result>(promise: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    const removeCallback = signal.aborted ? () => undefined : onAbort(signal, () => reject(signal.reason));
    // Also after an abort: a rejection that nothing handles ends the process.
    void promise.then(resolve, reject).finally(removeCallback);
  });
}
