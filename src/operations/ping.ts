import { isRouter } from '../desired/local-node.js';
import { ConflictError } from '../errors.js';
import type { Context } from '../host/context.js';
import { rejectOnAbort } from '../util/abort.js';

/**
 * Sends one ICMP echo from inside the network's namespace. Resolves to the round-trip time in milliseconds, or undefined.
 * @param timeout in milliseconds
 * @throws ConflictError on a node that does not have the namespace
 */
export function ping(
  { kernel, localNode }: Context,
  network: string,
  { address, timeout, signal }: { address: string; timeout: number; signal?: AbortSignal | undefined },
): Promise<number | undefined> {
  if (!isRouter(localNode)) {
    throw new ConflictError(`the network's namespace is on node ${localNode.router}: ping from there`);
  }
  return rejectOnAbort(kernel.ping(address, { netns: network, timeout }), signal);
}
