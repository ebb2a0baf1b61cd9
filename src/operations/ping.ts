import { isActiveRouter, routerOf } from '../desired/local-node.js';
import { ConflictError } from '../errors.js';
import type { Context } from '../host/context.js';
import type { NetworkRecord } from '../records/records.js';
import { rejectOnAbort } from '../util/abort.js';

/**
 * Sends one ICMP echo request from the namespace of the network, as `ip netns exec <UUID> ping -c 1`. Resolves to the
 * round-trip time in milliseconds; undefined without a reply.
 * @param timeout in milliseconds
 * @throws ConflictError on nodes other than the router
 */
export async function ping(
  { kernel, localNode, locks }: Context,
  network: NetworkRecord,
  { address, timeout, signal }: { address: string; timeout: number; signal?: AbortSignal | undefined },
): Promise<number | undefined> {
  if (!isActiveRouter(localNode, network)) {
    throw new ConflictError(`the namespace of the network is on node ${routerOf(localNode, network)}: ping from there`);
  }
  await locks.turn(network.uuid, signal);
  return rejectOnAbort(kernel.ping(address, { netns: network.uuid, timeout }), signal);
}
