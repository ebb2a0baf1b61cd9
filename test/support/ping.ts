import { NotRunError } from './attempt.js';
import type { TestNamespace } from './namespaces.js';

/**
 * Sends one ICMP echo request; true if there is a reply.
 * @throws NotRunError if it cannot be sent, for example without a route: exit code 2 of `ping`; 1 means no reply
 */
export async function ping(from: TestNamespace, address: string, ...options: string[]): Promise<boolean> {
  const { exitCode, stderr } = await from.attempt('ping', '-n', '-c', '1', ...options, address);
  if (exitCode > 1) throw new NotRunError(`ping of ${address} in ${from.name}: ${stderr}`);
  return exitCode === 0;
}
