import { ConflictError } from '../errors.js';
import type { Transaction } from '../store/transaction.js';
import { type InterfaceRecord, keys, type NetworkRecord } from './records.js';

/*
 * What finds networks by their names, and interfaces by where they are in containers. A name is one network's of its tenant,
 * on a host and in a cluster. States of before that rule may have several: they are kept, and none is added.
 */

type Named = Pick<NetworkRecord, 'uuid' | 'name' | 'tenant'>;

/** UUIDs of the tenant's networks of that name. */
export async function networksNamed(
  transaction: Transaction,
  { tenant, name }: Pick<Named, 'tenant' | 'name'>,
): Promise<string[]> {
  return (await transaction.get<string[]>(keys.name(tenant, name))) ?? [];
}

/** @throws ConflictError if another network of the tenant has the name */
export async function reserveName(transaction: Transaction, network: Named): Promise<void> {
  const { tenant, name, uuid } = network;
  const [other] = await networksNamed(transaction, network);
  if (other !== undefined) throw new ConflictError(`network ${other} of tenant ${tenant} is named ${name} already`);
  transaction.put(keys.name(tenant, name), [uuid]);
}

export async function releaseName(transaction: Transaction, network: Named): Promise<void> {
  const { tenant, name, uuid } = network;
  const others = (await networksNamed(transaction, network)).filter((each) => each !== uuid);
  if (others.length > 0) transaction.put(keys.name(tenant, name), others);
  else transaction.delete(keys.name(tenant, name));
}

/** Where in a container an interface is; undefined for what is in none. */
export function placeOf({ attachment, node }: Pick<InterfaceRecord, 'attachment' | 'node'>): string | undefined {
  if (attachment.kind !== 'veth') return undefined;
  return keys.place(attachment.netns, attachment.innerName, node);
}

/** A namespace may have been replaced since, so that the place is that of the first interface as long as it is recorded. */
export async function reservePlace(transaction: Transaction, nic: InterfaceRecord): Promise<void> {
  const place = placeOf(nic);
  if (place !== undefined && (await transaction.get(place)) === undefined) transaction.put(place, nic.uuid);
}

export async function releasePlace(transaction: Transaction, nic: InterfaceRecord): Promise<void> {
  const place = placeOf(nic);
  if (place !== undefined && (await transaction.get(place)) === nic.uuid) transaction.delete(place);
}

/** Indexes the names and places of records of version 1, which may lack them. */
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
