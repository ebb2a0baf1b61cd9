import { InterruptedError } from './error.js';

const signals = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Runs a task that SIGINT and SIGTERM abort instead of killing the process, so that it can close what it opened.
 * Whatever the task then does, the run ends with the signal's exit code. A second signal kills as usual.
 */
export async function interruptible<Result>(task: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const controller = new AbortController();
  const onSignal = (name: keyof typeof signals): void => {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
    controller.abort(new InterruptedError(signals[name]));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    return await task(controller.signal);
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
    controller.signal.throwIfAborted();
  }
}
