import type { TracingChannel } from 'node:diagnostics_channel';

/**
 * Does the work, and tells those who listen on a tracing channel of `node:diagnostics_channel`: `tracing:<name>:start`
 * when it begins, `tracing:<name>:asyncEnd` when it has ended, with the same message, which then has `result` or `error`.
 * Costs next to nothing while nobody listens.
 */
export function traced<Message extends object, Result>(
  channel: TracingChannel<Message, Message>,
  message: Message,
  work: () => Promise<Result>,
): Promise<Result> {
  const { start, asyncEnd, error } = channel;
  if (!start.hasSubscribers && !asyncEnd.hasSubscribers && !error.hasSubscribers) return work();
  return channel.tracePromise(work, message);
}
