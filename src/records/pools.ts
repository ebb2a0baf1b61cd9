import type { GuestOptions, PoolOptions } from '../api/types.js';
import { ConflictError, NotFoundError } from '../errors.js';
import type { Store } from '../store/store.js';
import type { Transaction } from '../store/transaction.js';
import { isUuid } from '../util/validate.js';
import type { InterfaceRecord, IsDue, Lifecycle } from './records.js';

/** A pool of slots: interfaces of a network that belong to no instance yet. Its slots are records of interfaces. */
export type PoolRecord = Lifecycle & {
  uuid: string;
  network: string;
  /** Node that its slots are on. Absent on a lone host. */
  node?: string;
  /** Unique within the network, in a cluster on its node. */
  name: string;
  kind: PoolOptions['kind'];
  /** Number of free slots to keep at least, and at most. */
  min: number;
  max: number;
  /** Options of its interfaces, as of an attach. */
  order: number;
  model: string;
  antiSpoofing: boolean;
  owner?: number;
  multiQueue?: boolean;
  guest?: Pick<GuestOptions, keyof GuestOptions>;
};

/** What all processes have done with a pool. A property that is missing is 0. */
export type PoolUsage = {
  /** Claims that found a free slot, and those that did not. */
  hits: number;
  misses: number;
  /** Refills, the slots that they created, and their duration in seconds. */
  refills?: number;
  refilled?: number;
  refillSeconds?: number;
};

/** Keys of pools. Those that end in `/` are prefixes. */
export const poolKeys = {
  pools: 'pool/',
  ofNetwork: (network: string) => `pool/${network}/`,
  pool: (network: string, uuid: string) => `pool/${network}/${uuid}`,
  usage: (uuid: string) => `pool-usage/${uuid}`,
  /** Prefix of the free slots of a pool; the value is `true`. */
  allFree: (pool: string) => `free/${pool}/`,
  free: (pool: string, slot: string) => `free/${pool}/${slot}`,
} as const;

/** Returns a pool that slots can be claimed from. @throws NotFoundError, ConflictError if it is being deleted */
export async function livePoolOf(transaction: Transaction, network: string, uuid: string): Promise<PoolRecord> {
  const pool = await transaction.get<PoolRecord>(poolKeys.pool(network, uuid));
  if (pool === undefined) throw new NotFoundError('pool', uuid);
  if (pool.state === 'deleting') throw new ConflictError(`pool ${uuid} is being deleted`);
  return pool;
}

/** Reads a pool. @throws NotFoundError */
export async function readPool(
  { store }: { readonly store: Store },
  network: string,
  uuid: string,
): Promise<PoolRecord> {
  const entry = await store.get<PoolRecord>(poolKeys.pool(network, uuid));
  if (entry === undefined) throw new NotFoundError('pool', uuid);
  return entry.value;
}

/**
 * Finds a pool of a network by UUID or name. In a cluster, the pool of this node; without one, that of another node.
 * @throws NotFoundError, ConflictError if only other nodes have a pool of the name, and several have
 */
export async function findPool(
  registry: { readonly store: Store; readonly node?: string },
  network: string,
  idOrName: string,
): Promise<PoolRecord> {
  if (isUuid(idOrName)) return readPool(registry, network, idOrName.toLowerCase());
  const named = (await readPools(registry, network)).filter(
    ({ name, state }) => name === idOrName && state === 'created',
  );
  const here = named.find(({ node }) => node === registry.node);
  const [found, other] = here === undefined ? named : [here];
  if (found === undefined) throw new NotFoundError('pool', idOrName);
  if (other !== undefined) {
    const nodes = named.map(({ node }) => node).join(', ');
    throw new ConflictError(`the nodes ${nodes} have a pool ${idOrName}: use its UUID`);
  }
  return found;
}

/** Checks that the slots of a pool are on this node. @throws ConflictError */
export function requireHere({ uuid, node }: PoolRecord, here: string | undefined): void {
  if (node !== here) throw new ConflictError(`pool ${uuid} is on node ${node}: claim its slots there`);
}

/** Reads the pools of a network, or of all networks. */
export async function readPools({ store }: { readonly store: Store }, network?: string): Promise<PoolRecord[]> {
  const prefix = network === undefined ? poolKeys.pools : poolKeys.ofNetwork(network);
  return (await store.list<PoolRecord>(prefix)).map(({ value }) => value);
}

/** True for a free slot, which may be removed. */
export const isFreeSlot: IsDue = (nic) => (nic as InterfaceRecord).slot?.isFree === true;

/** Checks that an interface is not a free slot. @throws ConflictError */
export function requireClaimed({ uuid, slot }: InterfaceRecord): void {
  if (slot?.isFree) throw new ConflictError(`interface ${uuid} is a free slot of pool ${slot.pool}: claim it first`);
}

/** Indexes a slot that has become free. */
export function indexFreeSlot(transaction: Transaction, { uuid, slot, state }: InterfaceRecord): void {
  if (slot?.isFree && state === 'created') transaction.put(poolKeys.free(slot.pool, uuid), true);
}

/** Removes a slot that is not free any more from the index. */
export function unindexFreeSlot(transaction: Transaction, { uuid, slot }: InterfaceRecord): void {
  if (slot !== undefined) transaction.delete(poolKeys.free(slot.pool, uuid));
}

/**
 * Deletes the records of pools of a network that is being deleted. Its slots are interfaces of the network.
 * @param count of pools, at most
 */
export async function deletePoolsOf(transaction: Transaction, network: string, count: number): Promise<void> {
  const pools = await transaction.list<PoolRecord>(poolKeys.ofNetwork(network));
  for (const { key, value } of pools.slice(0, count)) {
    transaction.delete(key);
    transaction.delete(poolKeys.usage(value.uuid));
  }
}
