import { NotRunError } from './attempt.js';
import type { TestNamespace } from './namespaces.js';

/**
 * One echo request; whether it was answered.
 * @throws NotRunError if none could be sent, for want of a route, say: `ping` ends with 1 without an answer, and with 2 then
 */
export async function ping(from: TestNamespace, address: string, ...options: string[]): Promise<boolean> {
  const { exitCode, stderr } = await from.attempt('ping', '-n', '-c', '1', ...options, address);
  if (exitCode > 1) throw new NotRunError(`ping of ${address} in ${from.name}: ${stderr}`);
  return exitCode === 0;
}
