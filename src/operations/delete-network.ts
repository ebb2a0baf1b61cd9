import { resourcesOf } from '../desired/desired-state.js';
import { networkResource, resourceId } from '../desired/resources.js';
import { RemovalError } from '../errors.js';
import { asCall, type Context } from '../host/context.js';
import { releaseVni } from '../ipam/vni.js';
import { type RequireFree, sameAsFirst, waitForOwner } from '../records/contention.js';
import { membersOf, releaseInterface } from '../records/members.js';
import { releaseName } from '../records/names.js';
import { deletePoolsOf, poolKeys } from '../records/pools.js';
import { networkOf } from '../records/queries.js';
import { always, type InterfaceRecord, keys, type NetworkRecord } from '../records/records.js';
import { type Transaction, transact } from '../store/transaction.js';
import { markForDeletion, type RemovalOptions } from './removal.js';

/** Deletes a network with its interfaces and addresses. Does nothing if it does not exist. @throws RemovalError */
export function deleteNetwork(context: Context, uuid: string, signal?: AbortSignal): Promise<void> {
  const { locks } = context;
  return asCall(context, () => locks.exclusive(uuid, () => removeNetwork(context, uuid, { signal }), signal));
}

/**
 * As `deleteNetwork`; the caller holds the lock of the network. Runs all steps, whatever fails. After errors the record
 * stays without a claim, so that reconciliation retries the removal.
 * @throws RemovalError
 */
export async function removeNetwork(
  context: Context,
  uuid: string,
  options: RemovalOptions<{ network: NetworkRecord }>,
): Promise<void> {
  const { isDue = always, isCreated = true } = options;
  const isSame = sameAsFirst();
  const mark = async (transaction: Transaction, requireFree: RequireFree) => {
    const network = await transaction.get<NetworkRecord>(keys.network(uuid));
    if (network === undefined || !isSame(network.vxlan) || !isDue(network)) return undefined;
    requireFree(`network ${uuid}`, network);
    const deleting: NetworkRecord = { ...network, state: 'deleting', claim: context.owner.claim() };
    transaction.put(keys.network(uuid), deleting);
    return { network: deleting };
  };
  const marked = await markForDeletion(context, mark, options);
  if (marked === undefined) return;
  const { network, members } = await finalMembers(context, marked.network);
  const { coordinator, localNode, pendingRemovals } = context;
  const resources = resourcesOf(localNode, { network, members });
  const errors = await pendingRemovals.track({ interfaces: members.length, networks: 1 }, () =>
    coordinator.remove({
      ...{ network, revision: marked.revision, members, isCreated, ids: [resourceId.network] },
      resources: resources.length > 0 ? resources : [networkResource(localNode, network)],
    }),
  );
  if (errors.length === 0) return releaseNetwork(context, uuid, members);
  await transact(context.store, async (transaction) => {
    const { claim: _, ...rest } = await networkOf(transaction, uuid);
    transaction.put(keys.network(uuid), rest);
  });
  throw new RemovalError(`network ${uuid}`, errors);
}

/**
 * Returns a network that is marked for deletion, with its interfaces. The list is final: no reservation succeeds after
 * the mark, and a process that is creating an interface of the network removes it again.
 */
function finalMembers(
  { store, owner }: Context,
  marked: NetworkRecord,
): Promise<{ network: NetworkRecord; members: InterfaceRecord[] }> {
  const { uuid } = marked;
  return waitForOwner(owner, (requireFree) =>
    transact(store, async (transaction) => {
      const network = (await transaction.get<NetworkRecord>(keys.network(uuid))) ?? marked;
      const members = await membersOf(transaction, uuid);
      const attached = members.flatMap(({ floating, migration }) => [floating, migration]);
      const parts = [...members, ...attached, ...Object.values(network.routed)];
      requireFree(`network ${uuid}`, ...parts);
      return { network, members };
    }),
  );
}

/** Number of addresses that are deleted in one commit. */
const ADDRESSES_PER_COMMIT = 1000;
/** As `ADDRESSES_PER_COMMIT`, for pools. A transaction of etcd has at most 128 operations. */
const POOLS_PER_COMMIT = 32;

/**
 * Releases the reservations of a network. Several commits are safe: nothing can be added to a network marked for
 * deletion.
 */
async function releaseNetwork(context: Context, uuid: string, members: readonly InterfaceRecord[]): Promise<void> {
  const { store, coordinator, floatingOf } = context;
  const step = Math.min(coordinator.membersPerCommit, members.length);
  // The last commit has the remaining interfaces and the network itself.
  for (let at = 0; at + step < members.length; at += step) {
    await transact(store, async (transaction) => {
      const network = await transaction.get<NetworkRecord>(keys.network(uuid));
      if (network === undefined) return;
      for (const { uuid: each } of members.slice(at, at + step)) {
        const member = await transaction.get<InterfaceRecord>(keys.interface(each));
        if (member !== undefined) await releaseInterface(transaction, context, network, member);
      }
    });
  }
  const addresses = (await store.list(`${keys.addresses(uuid)}/`)).map(({ key }) => key);
  for (let at = 0; at + ADDRESSES_PER_COMMIT < addresses.length; at += ADDRESSES_PER_COMMIT) {
    await store.commit({ conditions: [], puts: [], deletes: addresses.slice(at, at + ADDRESSES_PER_COMMIT) });
  }
  const pools = await store.count(poolKeys.ofNetwork(uuid));
  for (let at = 0; at < pools; at += POOLS_PER_COMMIT) {
    await transact(store, (transaction) => deletePoolsOf(transaction, uuid, POOLS_PER_COMMIT));
  }
  await transact(store, async (transaction) => {
    const network = await transaction.get<NetworkRecord>(keys.network(uuid));
    if (network === undefined) return;
    for (const member of await membersOf(transaction, uuid)) {
      await releaseInterface(transaction, context, network, member);
    }
    for (const { key } of await transaction.list(`${keys.addresses(uuid)}/`)) transaction.delete(key);
    for (const address of [network.egress?.address, ...Object.keys(network.routed)]) {
      if (address !== undefined) await floatingOf(network).release(transaction, address, { owner: uuid });
    }
    await releaseVni(transaction, uuid, network.vni);
    await releaseName(transaction, network);
    transaction.delete(keys.network(uuid));
  });
}
