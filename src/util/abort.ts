/** What is to be done when a signal is aborted, and how the signal has it done. */
interface Due {
  acts: Set<() => void>;
  listener: () => void;
}

const dues = new WeakMap<AbortSignal, Due>();

/**
 * Has something done when a signal is aborted. However often it is called, the signal has one listener at most: the same
 * signal may be given to a thousand calls at once, of which Node would warn as of a leak.
 * @returns takes it back; after the last, the signal has no listener, which might keep it in memory
 */
export function onAbort(signal: AbortSignal | undefined, act: () => void): () => void {
  if (signal === undefined) return () => undefined;
  const due = dues.get(signal) ?? listen(signal);
  due.acts.add(act);
  return () => {
    due.acts.delete(act);
    if (due.acts.size > 0 || dues.get(signal) !== due) return;
    dues.delete(signal);
    signal.removeEventListener('abort', due.listener);
  };
}

function listen(signal: AbortSignal): Due {
  const acts = new Set<() => void>();
  const listener = () => {
    const due = [...acts];
    // Whoever keeps the signal keeps nothing of what was done.
    acts.clear();
    dues.delete(signal);
    for (const act of due) act();
  };
  signal.addEventListener('abort', listener, { once: true });
  const due = { acts, listener };
  dues.set(signal, due);
  return due;
}

/** Waits, but no longer than until the signal is aborted. @throws the signal's reason */
export function orAborted<Result>(wait: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  if (signal === undefined) return wait;
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const stay = onAbort(signal, () => reject(signal.reason));
    void wait.then(resolve, reject).finally(stay);
  });
}
