import { randomUUID } from 'node:crypto';
import type { Context } from '../host/context.js';
import type { TunReport } from '../kernel/link/tun.js';
import type { DesiredAttachment } from '../plan/desired.js';
import { portGroup } from '../plan/group.js';
import { planRelease } from '../plan/release.js';
import { renameSlot } from '../records/members.js';
import { type PoolRecord, poolKeys } from '../records/pools.js';
import { networkOf } from '../records/queries.js';
import { type InterfaceRecord, keys, type NetworkRecord } from '../records/records.js';
import { type Transaction, transact } from '../store/transaction.js';
import { interfaceCounters } from './counters.js';

/**
 * Returns whether a claimed slot can be released to its pool. A namespace may contain anything, and a port without
 * anti-spoofing may have left forwarding entries for any MAC: such slots are used once.
 */
export async function isReusable(transaction: Transaction, nic: InterfaceRecord): Promise<boolean> {
  const { slot, attachment, guard, state, lost, floating } = nic;
  if (slot === undefined || slot.isFree || state !== 'created' || lost !== undefined || floating !== undefined)
    return false;
  if (attachment.kind !== 'tap' || guard === undefined) return false;
  // In a cluster, the network node has the connections and the lease of a slot: it is removed with them, and replaced.
  if (nic.node !== undefined) return false;
  const pool = await transaction.get<PoolRecord>(poolKeys.pool(nic.network, slot.pool));
  return pool?.state === 'created' && (await transaction.count(poolKeys.allFree(pool.uuid))) < pool.max;
}

/**
 * Releases a claimed slot that is marked for deletion to its pool: closes its port, deletes what remains of its user, and
 * verifies it.
 * @returns false if something remains. The slot must be removed then
 */
export async function releaseToPool(context: Context, network: NetworkRecord, nic: InterfaceRecord): Promise<boolean> {
  const { store, freeSlots, demand } = context;
  try {
    const flushed = store.flush();
    flushed.catch(() => undefined);
    await clean(context, network, nic);
    await flushed;
    const counted = (await isUnused(context, network, nic.attachment)) && (await interfaceCounters(context, nic));
    if (!counted) return false;
    const slot = await conclude(context, nic, counted);
    if (slot === undefined) return false;
    freeSlots.add(slot.pool, slot.uuid);
    demand.returned(slot.pool);
    return true;
  } catch {
    return false;
  }
}

/** @throws if something remains */
async function clean({ kernel, dhcp, host }: Context, network: NetworkRecord, nic: InterfaceRecord): Promise<void> {
  await Promise.all([
    kernel.transaction(planRelease(host, network, nic), { rollback: false }),
    // While it is being released, its reservation has no host name.
    nic.hostname === undefined ? undefined : dhcp.rename(network, nic),
  ]);
  // Only now the port is closed, so that no later request gets a lease.
  await dhcp.releaseLease(network, nic);
}

/** True if no process has the tap open, and its link is as it was created. */
async function isUnused(
  { kernel, host }: Context,
  network: NetworkRecord,
  attachment: DesiredAttachment,
): Promise<boolean> {
  const { index } = attachment;
  const link = await kernel.query('link.get', { netns: host.netns, link: { index } });
  const { queues = 0, disabledQueues = 0, persistent } = link.data as TunReport;
  return (
    link.carrier === false &&
    queues + disabledQueues === 0 &&
    persistent &&
    link.up &&
    link.master === network.bridge.index &&
    link.group === portGroup(network.vni)
  );
}

/** Records the slot as free, under a new UUID. Undefined if it or its network is being removed. */
function conclude(
  { store }: Context,
  { uuid, network }: InterfaceRecord,
  counted: NonNullable<InterfaceRecord['slot']>['counted'],
): Promise<{ pool: string; uuid: string } | undefined> {
  const renamed = randomUUID();
  return transact(store, async (transaction) => {
    const record = await transaction.get<InterfaceRecord>(keys.interface(uuid));
    if (!record?.slot?.isReleasing) return undefined;
    const { pool } = record.slot;
    const owner = await networkOf(transaction, network);
    const known = await transaction.get<PoolRecord>(poolKeys.pool(network, pool));
    if (owner.state !== 'created' || known?.state !== 'created') return undefined;
    const { hostname: _, instance: __, claim: ___, ...rest } = record;
    const free: InterfaceRecord = {
      ...{ ...rest, uuid: renamed, state: 'created', metadata: {} },
      slot: { pool, isFree: true, ...(counted && { counted }) },
    };
    await renameSlot(transaction, owner, record, free);
    return { pool, uuid: renamed };
  });
}
