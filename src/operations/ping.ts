import { isRouter } from '../desired/local-node.js';
import { ConflictError } from '../errors.js';
import type { Context } from '../host/context.js';
import { rejectOnAbort } from '../util/abort.js';

/**
 * Sends one ICMP echo request from the namespace of the network, as `ip netns exec <UUID> ping -c 1`. Resolves to the
 * round-trip time in milliseconds; undefined without a reply.
 * @param timeout in milliseconds
 * @throws ConflictError on nodes other than the router
 */
export async function ping(
  { kernel, localNode, locks }: Context,
  network: string,
  { address, timeout, signal }: { address: string; timeout: number; signal?: AbortSignal | undefined },
): Promise<number | undefined> {
  if (!isRouter(localNode)) {
    throw new ConflictError(`the namespace of the network is on node ${localNode.router}: ping from there`);
  }
  await locks.turn(network, signal);
  return rejectOnAbort(kernel.ping(address, { netns: network, timeout }), signal);
}
