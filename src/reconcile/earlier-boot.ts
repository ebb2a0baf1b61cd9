import type { NetworkState } from '../desired/network-state.js';
import type { Context } from '../host/context.js';
import { isOfEarlierBoot } from '../records/claim.js';
import { indexFreeSlot } from '../records/pools.js';
import { type InterfaceRecord, keys, type Lifecycle, type NetworkRecord } from '../records/records.js';
import { transact } from '../store/transaction.js';

/*
 * A call that creates something flushes the reservation, but not the state `created`. After a failure of the machine, a
 * reservation of an earlier boot therefore belongs to a call that may have been acknowledged. What it creates counts as
 * created. The kernel has lost it, and the repair of drift builds it again.
 */

/** True if an object of a lone host was being created, or was created without a flush, before the last boot. */
export const isCreatedEarlier = ({ state, claim }: Lifecycle): boolean =>
  state === 'initial' && claim !== undefined && claim.node === undefined && isOfEarlierBoot(claim);

/** The lifecycles of a network and of what belongs to it. */
export const lifecyclesOf = ({ network, members }: NetworkState): Lifecycle[] => [
  network,
  ...Object.values(network.routed),
  ...members.flatMap((member) => (member.floating === undefined ? [member] : [member, member.floating])),
];

/** Returns a state in which everything that was being created before the last boot counts as created. */
export const settledState = ({ network, members }: NetworkState): NetworkState => ({
  network: settledNetwork(network),
  members: members.map(settledInterface),
});

/** Records everything of a network that was being created before the last boot as created. */
export function settleEarlier({ store }: Pick<Context, 'store'>, { network, members }: NetworkState): Promise<void> {
  return transact(store, async (transaction) => {
    const known = await transaction.get<NetworkRecord>(keys.network(network.uuid));
    if (known === undefined) return;
    transaction.put(keys.network(network.uuid), settledNetwork(known));
    for (const { uuid } of members) {
      const member = await transaction.get<InterfaceRecord>(keys.interface(uuid));
      if (member === undefined) continue;
      const settled = settledInterface(member);
      transaction.put(keys.interface(uuid), settled);
      indexFreeSlot(transaction, settled);
    }
  });
}

function settledNetwork(network: NetworkRecord): NetworkRecord {
  const routed = Object.entries(network.routed).map(([address, lifecycle]) => [address, settled(lifecycle)] as const);
  return { ...settled(network), routed: Object.fromEntries(routed) };
}

function settledInterface(member: InterfaceRecord): InterfaceRecord {
  const { floating, ...rest } = settled(member);
  return { ...rest, ...(floating && { floating: settled(floating) }) };
}

function settled<Object extends Lifecycle>(object: Object): Object {
  if (!isCreatedEarlier(object)) return object;
  const { claim: _, ...rest } = object;
  return { ...rest, state: 'created' } as Object;
}
