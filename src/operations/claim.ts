import type { ClaimRequest } from '../api/options.js';
import { resourceId } from '../desired/resources.js';
import { asCall, type Context } from '../host/context.js';
import { deviceName } from '../plan/interface.js';
import { closePort, openPort } from '../plan/slots.js';
import { requireFreeHostname } from '../records/members.js';
import { releaseHostname, reserveHostname } from '../records/names.js';
import { indexFreeSlot, livePoolOf, type PoolRecord, poolKeys, requireHere } from '../records/pools.js';
import { liveNetworkOf } from '../records/queries.js';
import { type InterfaceRecord, keys, type NetworkRecord } from '../records/records.js';
import { type Transaction, transact } from '../store/transaction.js';
import { throwFirst } from '../util/errors.js';
import { attachSlot } from './slots.js';

/** Claims do not wait for messages about links. */
export const LANE = 'claims';

/** An interface that was claimed from a pool, or attached because the pool had no free slot (a miss). */
export interface Claimed {
  nic: InterfaceRecord;
  isHit: boolean;
}

/**
 * Claims a free slot: one commit and one element of an nftables set, whatever the number of slots. No link changes. Without
 * a free slot, attaches an interface with the options of the pool.
 */
export function claimSlot(context: Context, network: string, pool: string, request: ClaimRequest): Promise<Claimed> {
  return asCall(context, async () => {
    const { locks, demand } = context;
    const { signal } = request;
    signal?.throwIfAborted();
    const outcome = await locks.shared(network, () => claimFree(context, network, pool, request), signal);
    const { nic } = outcome;
    const isHit = nic !== undefined;
    demand.count(outcome.pool, isHit);
    return { nic: nic ?? (await attachSlot(context, outcome.pool, request)), isHit };
  });
}

async function claimFree(context: Context, network: string, pool: string, request: ClaimRequest): Promise<Taken> {
  const { coordinator } = context;
  const { result, revision } = await coordinator.commit((transaction) =>
    take(transaction, context, network, pool, request),
  );
  const { nic } = result;
  if (nic === undefined) return result;
  await (coordinator.changesPort(nic) ? open(context, nic) : opened(context, nic, revision, request.signal));
  // In a cluster, the agent of the network node sees the record.
  if (nic.hostname !== undefined && nic.node === undefined) serve(context, result.network, nic);
  return result;
}

interface Taken {
  network: NetworkRecord;
  pool: PoolRecord;
  /** Undefined if the pool has no free slot. */
  nic?: InterfaceRecord;
}

/** Marks a free slot as claimed. */
async function take(
  transaction: Transaction,
  { calls, freeSlots, kernel, node }: Context,
  uuid: string,
  pool: string,
  { hostname, instance, metadata }: ClaimRequest,
): Promise<Taken> {
  const network = await liveNetworkOf(transaction, uuid);
  const record = await livePoolOf(transaction, uuid, pool);
  requireHere(record, node);
  await requireFreeHostname(transaction, network, hostname);
  for (;;) {
    const slot = await freeSlots.take(pool);
    if (slot === undefined) return { network, pool: record };
    const free = await transaction.get<InterfaceRecord>(keys.interface(slot));
    if (!free?.slot?.isFree || free.state !== 'created' || free.lost !== undefined || free.node !== node) continue;
    const nic: InterfaceRecord = {
      ...free,
      ...(hostname !== undefined && { hostname }),
      ...(instance !== undefined && { instance }),
      metadata: { ...metadata },
      slot: { ...free.slot, isFree: false },
    };
    await reserveHostname(transaction, nic);
    // Beside others, the thread would take time from them.
    if (calls.isAlone) kernel.announce();
    transaction.put(keys.interface(slot), nic);
    transaction.delete(poolKeys.free(pool, slot));
    return { network, pool: record, nic };
  }
}

/** Opens the port of a claimed slot, while the claim is flushed. After an error the slot is free again. */
async function open(context: Context, nic: InterfaceRecord): Promise<void> {
  const { kernel, store, host } = context;
  const device = deviceName(nic.attachment);
  try {
    // An element that is missing already was deleted by others.
    // First the flush: the teardown is awaited at once.
    const [, errors] = await Promise.all([
      store.flush(),
      kernel.teardown([openPort(host, device)], { lane: LANE, isAwaited: true }),
    ]);
    throwFirst(errors);
  } catch (error) {
    await kernel.teardown([closePort(host, device)]);
    await unclaim(context, nic).catch(() => undefined);
    throw error;
  }
}

/** Waits until the agent of this node has opened the port of a claimed slot. After an error the slot is free again. */
async function opened(
  context: Context,
  nic: InterfaceRecord,
  revision: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { uuid, network } = nic;
  try {
    await context.coordinator.applied({ network, revision, ids: [resourceId.interface(uuid)], signal });
  } catch (error) {
    await unclaim(context, nic).catch(() => undefined);
    throw error;
  }
}

async function unclaim({ store }: Context, nic: InterfaceRecord): Promise<void> {
  await transact(store, async (transaction) => {
    const record = await transaction.get<InterfaceRecord>(keys.interface(nic.uuid));
    if (record?.slot === undefined || record.slot.isFree || record.state !== 'created') return;
    const { hostname: _, instance: __, ...rest } = record;
    const free: InterfaceRecord = { ...rest, metadata: {}, slot: { ...record.slot, isFree: true } };
    await releaseHostname(transaction, record);
    transaction.put(keys.interface(nic.uuid), free);
    indexFreeSlot(transaction, free);
  });
  await store.flush();
}

/**
 * Tells dnsmasq the host name of a claimed slot, in the background. A detach waits for it. If it fails, the next
 * reconciliation writes the name.
 */
function serve(context: Context, network: NetworkRecord, nic: InterfaceRecord): void {
  const { calls, dhcp, locks, store } = context;
  // Another process may have released it, under a new UUID.
  const isThere = async () => (await store.get(keys.interface(nic.uuid))) !== undefined;
  const update = () =>
    calls.track(async () => {
      if (!(await isThere())) return;
      await dhcp.rename(network, nic);
      if (!(await isThere())) await dhcp.update(network);
    });
  void locks.exclusive(nic.uuid, update).catch(() => undefined);
}
