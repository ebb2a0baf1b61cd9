import type { TracingChannel } from 'node:diagnostics_channel';

/**
 * Publishes an asynchronous call on a tracing channel of `node:diagnostics_channel`: `tracing:<name>:start` when it starts,
 * `tracing:<name>:asyncEnd` when it has settled. Both events carry the same message object; at the end it has `result` or
 * `error`. Without subscribers the overhead is negligible.
 */
export function traced<Message extends object, Result>(
  channel: TracingChannel<Message, Message>,
  message: Message,
  call: () => Promise<Result>,
): Promise<Result> {
  const { start, asyncEnd, error } = channel;
  if (!start.hasSubscribers && !asyncEnd.hasSubscribers && !error.hasSubscribers) return call();
  return channel.tracePromise(call, message);
}
