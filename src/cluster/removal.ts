import { releaseVni } from '../ipam/vni.js';
import { claim } from '../model/claim.js';
import { Errors } from '../model/context.js';
import { forgetFloating } from '../model/floating.js';
import { concludeRemoval } from '../model/interface-lifecycle.js';
import { releaseInterface } from '../model/members.js';
import { giveNameBack } from '../model/names.js';
import { networkOf } from '../model/network-lifecycle.js';
import { type InterfaceRecord, keys, type NetworkRecord } from '../model/records.js';
import { forgetRouted, withRouted } from '../model/routed.js';
import { transact } from '../store/transaction.js';
import { clusterKeys } from './keys.js';
import { nodesIn } from './membership.js';
import { carriersOf } from './part.js';
import { record } from './record.js';
import { appliedOf, peekScope } from './records.js';
import type { ClusterContext } from './types.js';
import { waitForNodes } from './waiting.js';

/*
 * Taking things away: marked first, so that every node takes away its part, and given back to the pools only when all
 * nodes have done that. A node that is gone does so when it is back.
 */

/** A transaction of etcd takes 128 operations. */
const INTERFACES_AT_ONCE = 8;
const KEYS_AT_ONCE = 1000;

/** @throws RemovalError; the record stays then, to be finished later */
export async function removeInterface(context: ClusterContext, uuid: string, haloMs: number): Promise<void> {
  const { store, node } = context;
  const { result: doomed, revision } = await record(store, async (transaction) => {
    const nic = await transaction.get<InterfaceRecord>(keys.interface(uuid));
    if (nic === undefined) return undefined;
    transaction.put(keys.interface(uuid), { ...nic, state: 'deleting', claim: claim(node) });
    return { nic, network: await networkOf(transaction, nic.network) };
  });
  if (doomed === undefined) return;
  const { nic, network } = doomed;
  const errors = new Errors();
  await errors.attempt(() => waitForAll(context, revision, network.uuid, [uuid, `floating/${uuid}`], [nic.node]));
  if (!errors.any) await leaveWord(context, network.uuid, revision, [nic]);
  await concludeRemoval(context, network, uuid, errors, haloMs);
}

/** @throws RemovalError */
export async function removeFloating(context: ClusterContext, uuid: string): Promise<void> {
  const { store, node } = context;
  const { result: doomed, revision } = await record(store, async (transaction) => {
    const nic = await transaction.get<InterfaceRecord>(keys.interface(uuid));
    if (nic?.floating === undefined) return undefined;
    const floating = { ...nic.floating, state: 'deleting', claim: claim(node) } as const;
    transaction.put(keys.interface(uuid), { ...nic, floating });
    return nic;
  });
  if (doomed === undefined) return;
  const errors = new Errors();
  await errors.attempt(() => waitForAll(context, revision, doomed.network, [`floating/${uuid}`], []));
  if (!errors.any) return forgetFloating(context, uuid);
  await transact(store, async (transaction) => {
    const record = await transaction.get<InterfaceRecord>(keys.interface(uuid));
    if (record?.floating === undefined) return;
    const { claim: _, ...rest } = record.floating;
    transaction.put(keys.interface(uuid), { ...record, floating: rest });
  });
  errors.throwIfAny(`floating address ${doomed.floating?.address} could not be removed completely`);
}

/** @throws RemovalError */
export async function removeRouted(context: ClusterContext, uuid: string, address: string): Promise<void> {
  const { store, node } = context;
  const { revision } = await record(store, async (transaction) => {
    const network = await networkOf(transaction, uuid);
    if (network.routed[address] === undefined) return;
    transaction.put(keys.network(uuid), withRouted(network, address, { state: 'deleting', claim: claim(node) }));
  });
  const errors = new Errors();
  await errors.attempt(() => waitForAll(context, revision, uuid, [`routed/${address}`], []));
  if (!errors.any) return forgetRouted(context, uuid, address);
  await transact(store, async (transaction) => {
    const network = await transaction.get<NetworkRecord>(keys.network(uuid));
    if (network?.routed[address] === undefined) return;
    transaction.put(keys.network(uuid), withRouted(network, address, { state: 'deleting' }));
  });
  errors.throwIfAny(`routed address ${address} could not be removed completely`);
}

/** @throws RemovalError */
export async function removeNetwork(context: ClusterContext, uuid: string): Promise<void> {
  const { store, node } = context;
  const { result: network, revision } = await record(store, async (transaction) => {
    const network = await transaction.get<NetworkRecord>(keys.network(uuid));
    if (network === undefined) return undefined;
    transaction.put(keys.network(uuid), { ...network, state: 'deleting', claim: claim(node) });
    return network;
  });
  if (network === undefined) return;
  const places = (peekScope(store, uuid)?.members ?? []).map((member) => member.node);
  const errors = new Errors();
  await errors.attempt(() => waitForAll(context, revision, uuid, ['network'], places));
  if (!errors.any) {
    await leaveWord(context, uuid, revision, peekScope(store, uuid)?.members ?? [], network);
    return releaseNetwork(context, network);
  }
  await transact(store, async (transaction) => {
    const network = await transaction.get<NetworkRecord>(keys.network(uuid));
    if (network === undefined) return;
    const { claim: _, ...rest } = network;
    transaction.put(keys.network(uuid), rest);
  });
  errors.throwIfAny(`network ${uuid} could not be removed completely`);
}

/** Piece by piece: nothing can be added to a network that is being deleted. */
async function releaseNetwork(context: ClusterContext, record: NetworkRecord): Promise<void> {
  const { store } = context;
  const { uuid } = record;
  const members = peekScope(store, uuid)?.members ?? [];
  for (let at = 0; at < members.length; at += INTERFACES_AT_ONCE) {
    await transact(store, async (transaction) => {
      for (const { uuid: each } of members.slice(at, at + INTERFACES_AT_ONCE)) {
        const member = await transaction.get<InterfaceRecord>(keys.interface(each));
        if (member !== undefined) await releaseInterface(transaction, context, record, member);
      }
    });
  }
  const addresses = (await store.list(`${keys.addresses(uuid)}/`)).map(({ key }) => key);
  for (let at = 0; at < addresses.length; at += KEYS_AT_ONCE) {
    await store.commit({ conditions: [], puts: [], deletes: addresses.slice(at, at + KEYS_AT_ONCE) });
  }
  await transact(store, async (transaction) => {
    const network = await transaction.get<NetworkRecord>(keys.network(uuid));
    if (network === undefined) return;
    for (const address of [network.egress?.address, ...Object.keys(network.routed)]) {
      if (address !== undefined) await context.floating.release(transaction, address, { owner: uuid });
    }
    await releaseVni(transaction, uuid, network.vni);
    await giveNameBack(transaction, network);
    transaction.delete(keys.network(uuid));
  });
}

/**
 * A node that has not heard of a removal finds the record gone, and has to know that it was removed: for each such node
 * it is noted which links were meant.
 */
async function leaveWord(
  { store, networkNode }: ClusterContext,
  uuid: string,
  revision: number,
  members: readonly InterfaceRecord[],
  network?: NetworkRecord,
): Promise<void> {
  const nodes = new Set([
    ...members.flatMap(({ node }) => node ?? []),
    ...(network ? [networkNode, ...nodesIn(store).map(({ name }) => name)] : []),
  ]);
  const puts = [...nodes].flatMap((node) => {
    const applied = appliedOf(store, node, uuid);
    if (applied === undefined || applied.revision >= revision) return [];
    const local = members.filter((member) => member.node === node);
    const links = [...(network ? [network.bridge.index] : []), ...local.map(({ attachment }) => attachment.index)];
    const subject = network?.uuid ?? local[0]?.uuid ?? uuid;
    return [{ key: clusterKeys.removal(node, subject), value: links }];
  });
  if (puts.length > 0) await store.commit({ conditions: [], puts, deletes: [] });
}

/** All nodes that have, or had, something of the network. */
async function waitForAll(
  context: ClusterContext,
  revision: number,
  network: string,
  items: readonly string[],
  places: readonly (string | undefined)[],
): Promise<void> {
  const { store, networkNode } = context;
  const scope = peekScope(store, network);
  const others = [...carriersOf(networkNode, scope?.members ?? []), ...places.flatMap((place) => place ?? [])];
  await waitForNodes(context, { network, revision, items, essential: [], others });
}
