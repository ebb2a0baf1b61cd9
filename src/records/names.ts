import { ConflictError } from '../errors.js';
import type { Transaction } from '../store/transaction.js';
import { type InterfaceRecord, keys, type NetworkRecord } from './records.js';

/*
 * Indexes: networks by name, interfaces by place (namespace and link name in a container) and by host name. The name of
 * a network is unique within its tenant, a host name within its network, on a lone host and in a cluster. State of
 * earlier versions may have several networks or interfaces of one name: they are kept, and no further one is accepted.
 */

type Named = Pick<NetworkRecord, 'uuid' | 'name' | 'tenant'>;

/** Returns the UUIDs of the networks of a tenant that have the name. */
export async function networksNamed(
  transaction: Transaction,
  { tenant, name }: Pick<Named, 'tenant' | 'name'>,
): Promise<string[]> {
  return (await transaction.get<string[]>(keys.name(tenant, name))) ?? [];
}

/** Reserves the name of a network. @throws ConflictError if another network of the tenant has it */
export async function reserveName(transaction: Transaction, network: Named): Promise<void> {
  const { tenant, name, uuid } = network;
  const [other] = await networksNamed(transaction, network);
  if (other !== undefined) throw new ConflictError(`network ${other} of tenant ${tenant} is named ${name} already`);
  transaction.put(keys.name(tenant, name), [uuid]);
}

/** Releases the name of a network. */
export async function releaseName(transaction: Transaction, network: Named): Promise<void> {
  const { tenant, name, uuid } = network;
  const others = (await networksNamed(transaction, network)).filter((each) => each !== uuid);
  if (others.length > 0) transaction.put(keys.name(tenant, name), others);
  else transaction.delete(keys.name(tenant, name));
}

/** Returns the key of the place of an interface in a container; undefined for taps and devices. */
export function placeOf({ attachment, node }: Pick<InterfaceRecord, 'attachment' | 'node'>): string | undefined {
  if (attachment.kind !== 'veth') return undefined;
  return keys.place(attachment.netns, attachment.innerName, node);
}

/**
 * Reserves the place of an interface. If a place is taken, it keeps its first interface: a namespace of the same name
 * may be another one.
 */
export async function reservePlace(transaction: Transaction, nic: InterfaceRecord): Promise<void> {
  const place = placeOf(nic);
  if (place !== undefined && (await transaction.get(place)) === undefined) transaction.put(place, nic.uuid);
}

/** Releases the place of an interface, if it has the place. */
export async function releasePlace(transaction: Transaction, nic: InterfaceRecord): Promise<void> {
  const place = placeOf(nic);
  if (place !== undefined && (await transaction.get(place)) === nic.uuid) transaction.delete(place);
}

/** Reserves the host name of an interface, unless an interface of an earlier version has the same one. */
export async function reserveHostname(transaction: Transaction, nic: InterfaceRecord): Promise<void> {
  const { network, hostname, uuid } = nic;
  if (hostname === undefined) return;
  const key = keys.hostname(network, hostname);
  if ((await transaction.get(key)) === undefined) transaction.put(key, uuid);
}

/** Releases the host name of an interface, if the index has it. */
export async function releaseHostname(transaction: Transaction, nic: InterfaceRecord): Promise<void> {
  const { network, hostname, uuid } = nic;
  if (hostname === undefined) return;
  const key = keys.hostname(network, hostname);
  if ((await transaction.get(key)) === uuid) transaction.delete(key);
}

/** Writes the indexes of names and places for records of version 1, which may lack them. */
export async function indexState(transaction: Transaction): Promise<void> {
  if ((await transaction.get(keys.indexed)) !== undefined) return transaction.delete(keys.indexed);
  const byName = new Map<string, string[]>();
  for (const { value } of await transaction.list<NetworkRecord>(keys.networks)) {
    const key = keys.name(value.tenant, value.name);
    byName.set(key, [...(byName.get(key) ?? []), value.uuid]);
  }
  for (const [key, uuids] of byName) transaction.put(key, uuids);
  for (const { value } of await transaction.list<InterfaceRecord>(keys.interfaces))
    await reservePlace(transaction, value);
}
