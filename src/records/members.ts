import { ConflictError } from '../errors.js';
import { parseNetblock } from '../ipam/netblock.js';
import { deviceName } from '../plan/interface.js';
import type { Transaction } from '../store/transaction.js';
import { releaseBinding } from './binding.js';
import type { EgressOwner } from './capacity.js';
import { releaseHostname, releasePlace, reserveHostname, reservePlace } from './names.js';
import { indexFreeSlot, unindexFreeSlot } from './pools.js';
import { type InterfaceRecord, keys, type NetworkRecord, networkPool } from './records.js';

/** Returns the interfaces of a network. */
export async function membersOf(transaction: Transaction, network: string): Promise<InterfaceRecord[]> {
  const prefix = keys.members(network);
  const members = await transaction.list(prefix);
  const records = members.map(({ key }) => transaction.get<InterfaceRecord>(keys.interface(key.slice(prefix.length))));
  return (await Promise.all(records)).filter((record) => record !== undefined);
}

/**
 * Checks that no interface of a network has a host name. DNS would answer with any of their addresses, and DHCP would
 * give the name to the last that asked.
 * @throws ConflictError that names the other interface
 */
export async function requireFreeHostname(
  transaction: Transaction,
  network: NetworkRecord,
  hostname: string | undefined,
): Promise<void> {
  if (hostname === undefined) return;
  const { uuid, hasHostnameIndex = false } = network;
  const indexed = await transaction.get<string>(keys.hostname(uuid, hostname));
  const isKnown = indexed !== undefined || hasHostnameIndex;
  const other = isKnown ? indexed : (await membersOf(transaction, uuid)).find((nic) => nic.hostname === hostname)?.uuid;
  if (other !== undefined) {
    throw new ConflictError(`the host name ${hostname} is in use in network ${uuid} by interface ${other}`);
  }
}

/** Creates the record of an interface and its index entries: member, device, place, host name, MACs. */
export async function createInterface(transaction: Transaction, record: InterfaceRecord): Promise<void> {
  await reservePlace(transaction, record);
  await reserveHostname(transaction, record);
  transaction.create(keys.interface(record.uuid), record);
  transaction.create(keys.member(record.network, record.uuid), true);
  transaction.create(keys.device(deviceName(record.attachment), record.node), record.uuid);
  for (const mac of macsOf(record)) transaction.create(keys.mac(record.network, mac), record.uuid);
}

/**
 * Moves the record of a slot to a new UUID, with its index entries. Who has the old one does not find the slot any more.
 * The slot keeps its address, its MAC and its link.
 */
export async function renameSlot(
  transaction: Transaction,
  network: NetworkRecord,
  before: InterfaceRecord,
  after: InterfaceRecord,
): Promise<void> {
  await releasePlace(transaction, before);
  await releaseHostname(transaction, before);
  transaction.delete(keys.interface(before.uuid));
  transaction.delete(keys.member(network.uuid, before.uuid));
  await networkPool(network).assign(transaction, before.address, { from: before.uuid, to: after.uuid });
  await reservePlace(transaction, after);
  transaction.put(keys.interface(after.uuid), after);
  transaction.put(keys.member(network.uuid, after.uuid), true);
  transaction.put(keys.device(deviceName(after.attachment), after.node), after.uuid);
  for (const mac of macsOf(after)) transaction.put(keys.mac(network.uuid, mac), after.uuid);
  indexFreeSlot(transaction, after);
}

/**
 * Returns the MACs that an interface uses in its network: that of the instance, and that of an attached device of the
 * host.
 */
function macsOf({ mac, attachment }: InterfaceRecord): string[] {
  const others = attachment.kind === 'device' && attachment.mac !== undefined ? [attachment.mac] : [];
  return [mac, ...others];
}

/** Returns the allowed addresses of an interface that are in the netblock of its network, without its own address. */
export function sharedAddresses(
  { netblock }: Pick<NetworkRecord, 'netblock'>,
  { address, guard }: Pick<InterfaceRecord, 'address' | 'guard'>,
): string[] {
  const block = parseNetblock('netblock', netblock);
  return [...new Set(guard?.allowedAddresses)].filter((each) => each !== address && block.contains(each));
}

/**
 * Deletes the record of an interface and releases its reservations.
 * @param halo time before its address is reused, in milliseconds
 */
export async function releaseInterface(
  transaction: Transaction,
  { floatingOf }: Pick<EgressOwner, 'floatingOf'>,
  network: NetworkRecord,
  record: InterfaceRecord,
  halo = 0,
): Promise<void> {
  const { uuid, address, floating, attachment } = record;
  const pool = networkPool(network);
  await pool.release(transaction, address, { owner: uuid, halo, instance: record.instance });
  for (const shared of sharedAddresses(network, record)) await pool.unshare(transaction, shared, uuid);
  if (floating) await floatingOf(network).release(transaction, floating.address, { owner: uuid });
  await releasePlace(transaction, record);
  await releaseHostname(transaction, record);
  unindexFreeSlot(transaction, record);
  transaction.delete(keys.interface(uuid));
  transaction.delete(keys.member(network.uuid, uuid));
  transaction.delete(keys.device(deviceName(attachment), record.node));
  await releaseBinding(transaction, record);
  for (const mac of macsOf(record)) transaction.delete(keys.mac(network.uuid, mac));
}
