import { ConflictError, NotFoundError } from '../errors.js';
import type { Json, Store } from '../store/store.js';
import { type Transaction, transact } from '../store/transaction.js';
import { isUuid } from '../util/validate.js';
import { membersOf } from './members.js';
import { transactUnlessMigrated } from './migration.js';
import { requireClaimed } from './pools.js';
import { type InterfaceRecord, keys, type NetworkRecord } from './records.js';

/* Queries of records, and changes that need no change of the kernel (metadata). */

interface Registry {
  readonly store: Store;
  readonly node?: string;
}

/** Returns a network. @throws NotFoundError */
export async function networkOf(transaction: Transaction, uuid: string): Promise<NetworkRecord> {
  const record = await transaction.get<NetworkRecord>(keys.network(uuid));
  if (record === undefined) throw new NotFoundError('network', uuid);
  return record;
}

/** Returns a network in the state `created`. @throws NotFoundError, ConflictError if it is in another state */
export async function liveNetworkOf(transaction: Transaction, uuid: string): Promise<NetworkRecord> {
  const record = await networkOf(transaction, uuid);
  if (record.state !== 'created') throw new ConflictError(`network ${uuid} is in state ${record.state}`);
  return record;
}

/** Returns an interface. @throws NotFoundError */
export async function interfaceOf(transaction: Transaction, uuid: string): Promise<InterfaceRecord> {
  const record = await transaction.get<InterfaceRecord>(keys.interface(uuid));
  if (record === undefined) throw new NotFoundError('interface', uuid);
  return record;
}

/** Reads a network without a transaction. @throws NotFoundError */
export async function readNetwork({ store }: Registry, uuid: string): Promise<NetworkRecord> {
  const entry = await store.get<NetworkRecord>(keys.network(uuid));
  if (entry === undefined) throw new NotFoundError('network', uuid);
  return entry.value;
}

/** Reads an interface without a transaction. @throws NotFoundError */
export async function readInterface({ store }: Registry, uuid: string): Promise<InterfaceRecord> {
  const entry = await store.get<InterfaceRecord>(keys.interface(uuid));
  if (entry === undefined) throw new NotFoundError('interface', uuid);
  return entry.value;
}

/** Reads all networks. */
export async function readNetworks({ store }: Registry): Promise<NetworkRecord[]> {
  return (await store.list<NetworkRecord>(keys.networks)).map(({ value }) => value);
}

/** Checks that no network exists. @throws ConflictError */
export async function requireNoNetworks(transaction: Transaction): Promise<void> {
  const networks = await transaction.list(keys.networks);
  if (networks.length > 0) {
    throw new ConflictError(`${networks.length} networks exist: delete them first`);
  }
}

/** Reads all interfaces. */
export async function readInterfaces({ store }: Registry): Promise<InterfaceRecord[]> {
  return (await store.list<InterfaceRecord>(keys.interfaces)).map(({ value }) => value);
}

/** Reads the interfaces of a network. */
export function readMembers({ store }: Registry, network: string): Promise<InterfaceRecord[]> {
  return transact(store, (transaction) => membersOf(transaction, network));
}

/** Finds a network by UUID, or by name. @throws NotFoundError, ConflictError if several networks have the name */
export async function findNetwork(registry: Registry, idOrName: string): Promise<NetworkRecord> {
  if (isUuid(idOrName)) return readNetwork(registry, idOrName.toLowerCase());
  const [found, ...others] = (await readNetworks(registry)).filter(({ name }) => name === idOrName);
  if (found === undefined) throw new NotFoundError('network', idOrName);
  if (others.length > 0) {
    throw new ConflictError(`${others.length + 1} networks have the name ${idOrName}: use the UUID`);
  }
  return found;
}

/** Finds an interface by UUID, or by the name of its link in the namespace of the host. @throws NotFoundError */
export async function findInterface(registry: Registry, idOrDevice: string): Promise<InterfaceRecord> {
  if (isUuid(idOrDevice)) return readInterface(registry, idOrDevice.toLowerCase());
  const device = await registry.store.get<string>(keys.device(idOrDevice, registry.node));
  if (device === undefined) throw new NotFoundError('interface', idOrDevice);
  return readInterface(registry, device.value);
}

type Metadata = { metadata: Record<string, Json> };

/** Changes the metadata of a network. @throws NotFoundError, ConflictError if the state has been migrated */
export async function changeNetwork({ store }: Registry, uuid: string, change: Metadata): Promise<NetworkRecord> {
  const changed = await transactUnlessMigrated(store, async (transaction) => {
    const record = { ...(await networkOf(transaction, uuid)), ...change };
    transaction.put(keys.network(uuid), record);
    return record;
  });
  await store.flush();
  return changed;
}

/** Changes the metadata of an interface. @throws NotFoundError, ConflictError if the state has been migrated */
export async function changeInterface({ store }: Registry, uuid: string, change: Metadata): Promise<InterfaceRecord> {
  const changed = await transactUnlessMigrated(store, async (transaction) => {
    const present = await interfaceOf(transaction, uuid);
    requireClaimed(present);
    const record = { ...present, ...change };
    transaction.put(keys.interface(uuid), record);
    return record;
  });
  await store.flush();
  return changed;
}
