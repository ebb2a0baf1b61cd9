import { randomUUID } from 'node:crypto';
import { ConflictError, NotFoundError } from '../errors.js';
import { parseNetblock } from '../ipam/netblock.js';
import type { ReserveOptions } from '../ipam/pool.js';
import { releaseVni, reserveVni } from '../ipam/vni.js';
import { networkLinks, planNetwork, planNetworkRemoval } from '../plan/network.js';
import { type Transaction, transact } from '../store/transaction.js';
import { begin } from './begin.js';
import { asCapacityError, requireEgressPort } from './capacity.js';
import { claim } from './claim.js';
import { type Context, condemnTogether, Errors, takeAway } from './context.js';
import { withFreshIndexes } from './fresh-indexes.js';
import { localMac } from './mac.js';
import { linksOfMember, membersOf, outside, planMemberRemoval, releaseInterface } from './members.js';
import { giveNameBack, takeName } from './names.js';
import { type NetworkRequest, parseNetworkOptions } from './options.js';
import { theFirst, whenFree } from './other-hands.js';
import { always, keys, type NetworkRecord } from './records.js';
import type { CreateNetworkOptions } from './types.js';

/** `vxlan`, `br-vxlan`, and the two pairs. */
export const NETWORK_LINKS = 6;

export function createNetwork(context: Context, options: CreateNetworkOptions): Promise<NetworkRecord> {
  return withFreshIndexes(() => createOnce(context, options));
}

async function createOnce(context: Context, options: CreateNetworkOptions): Promise<NetworkRecord> {
  await context.environment.refresh();
  const { floatingNetwork } = context.host;
  const { tenant, dnsServers } = context.settings;
  const request = parseNetworkOptions(options, { floatingNetwork, mtu: context.facts.mtu, tenant, dnsServers });
  request.signal?.throwIfAborted();
  await context.dhcp.require(request);
  if (request.uuid !== undefined) await refuseForeignNamespace(context, request.uuid);
  const uuid = request.uuid ?? randomUUID();
  return context.locks.exclusive(uuid, async () => {
    const indexes = await context.indexes.take(NETWORK_LINKS);
    const record = await begin(context.store, (transaction) =>
      reserveNetwork(transaction, context, uuid, request, indexes),
    );
    // A link that is out of service still holds its VNI, and a fixed one may be that of a network just deleted.
    if (request.vni !== undefined) await context.reaper.sweep();
    return build(context, record, request.signal);
  });
}

/** Deleting a network deletes the namespace of its name, so that one must not be another's. */
export async function refuseForeignNamespace({ kernel, store }: Context, uuid: string): Promise<void> {
  const namespaces = await kernel.query('namespace.list');
  if (namespaces.some(({ name }) => name === uuid) && (await store.get(keys.network(uuid))) === undefined) {
    throw new ConflictError(`a namespace named ${uuid} exists already`);
  }
}

export async function reserveNetwork(
  transaction: Transaction,
  context: Context,
  uuid: string,
  request: NetworkRequest,
  indexes: readonly number[],
): Promise<NetworkRecord> {
  if ((await transaction.get(keys.network(uuid))) !== undefined) {
    throw new ConflictError(`network ${uuid} exists already`);
  }
  await takeName(transaction, { uuid, name: request.name, tenant: request.tenant });
  const [vxlan, bridge, innerOuter, innerInner, egressOuter, egressInner] = indexes as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const wayOut = () =>
    reserveEgress(
      transaction,
      context,
      { use: 'gateway', owner: uuid },
      { address: request.floatingGateway, field: 'floatingGateway' },
    );
  const record: NetworkRecord = {
    uuid,
    name: request.name,
    tenant: request.tenant,
    vni: await reserveVni(transaction, uuid, request.vni),
    netblock: request.netblock,
    gateway: parseNetblock('netblock', request.netblock).gateway,
    mtu: request.mtu,
    provideDhcp: request.provideDhcp,
    provideDns: request.provideDns,
    vxlan,
    bridge: { index: bridge, mac: localMac() },
    inner: { outer: innerOuter, inner: innerInner, mac: localMac() },
    egress: request.provideNat ? { outer: egressOuter, inner: egressInner, address: await wayOut() } : undefined,
    routed: {},
    metadata: request.metadata,
    state: 'initial',
    claim: claim(context.node),
  };
  transaction.create(keys.network(uuid), record);
  return record;
}

/** An address of the floating network that comes with a port of the egress bridge. @throws CapacityError */
export async function reserveEgress(
  transaction: Transaction,
  context: Pick<Context, 'floating' | 'host'>,
  record: { use: 'gateway' | 'floating'; owner: string },
  wish: ReserveOptions,
): Promise<string> {
  await requireEgressPort(transaction, context);
  return context.floating.reserve(transaction, record, wish);
}

async function build(context: Context, record: NetworkRecord, signal: AbortSignal | undefined): Promise<NetworkRecord> {
  const { uuid } = record;
  try {
    await context.kernel.transaction(planNetwork(context.host, context.facts.underlay, record), { signal });
  } catch (error) {
    // The kernel is as before: only what was reserved is left.
    await transact(context.store, (transaction) => releaseNetwork(transaction, context, uuid));
    throw asCapacityError(error, context.host.egressBridge.name);
  }
  try {
    signal?.throwIfAborted();
    await context.dhcp.start(record);
    return await settleNetwork(context, uuid);
  } catch (error) {
    await takeNetworkAway(context, uuid);
    throw error;
  }
}

/** The network is as recorded. */
export function settleNetwork({ store }: Pick<Context, 'store'>, uuid: string): Promise<NetworkRecord> {
  return transact(store, async (transaction) => {
    const { claim: _, ...record } = await networkOf(transaction, uuid);
    if (record.state === 'deleting') throw new ConflictError(`network ${uuid} is being deleted`);
    const created: NetworkRecord = { ...record, state: 'created' };
    transaction.put(keys.network(uuid), created);
    return created;
  });
}

/** @throws NotFoundError */
export async function networkOf(transaction: Transaction, uuid: string): Promise<NetworkRecord> {
  const record = await transaction.get<NetworkRecord>(keys.network(uuid));
  if (record === undefined) throw new NotFoundError('network', uuid);
  return record;
}

/** @throws NotFoundError, ConflictError if it is not in service */
export async function liveNetworkOf(transaction: Transaction, uuid: string): Promise<NetworkRecord> {
  const record = await networkOf(transaction, uuid);
  if (record.state !== 'created') throw new ConflictError(`network ${uuid} is in state ${record.state}`);
  return record;
}

/** What a failed change to a network comes from: that somebody deletes the network is said in these words. */
export async function asDeletion({ store }: Context, uuid: string, error: unknown): Promise<unknown> {
  if (error instanceof ConflictError || error instanceof NotFoundError) return error;
  const state = (await store.get<NetworkRecord>(keys.network(uuid)))?.value.state;
  if (state !== undefined && state !== 'deleting') return error;
  return new ConflictError(`network ${uuid} is being deleted`, { cause: error });
}

/**
 * Removes a network with all it has. Does nothing if it is gone, or not `isDue`. All steps are tried; if something is left,
 * the record stays for reconciliation to finish.
 * @throws RemovalError
 */
export async function removeNetwork(context: Context, uuid: string, isDue = always): Promise<void> {
  const isSame = theFirst();
  const isMarked = await whenFree((requireFree) =>
    begin(context.store, async (transaction) => {
      const record = await transaction.get<NetworkRecord>(keys.network(uuid));
      if (record === undefined || !isSame(record.vxlan) || !isDue(record)) return false;
      requireFree(`network ${uuid}`, record);
      transaction.put(keys.network(uuid), { ...record, state: 'deleting', claim: claim() });
      return true;
    }),
  );
  if (isMarked) await takeNetworkAway(context, uuid);
}

/** Of a network that nobody adds to any more. @throws RemovalError */
async function takeNetworkAway(context: Context, uuid: string): Promise<void> {
  const { host, store } = context;
  // Listed only now: what is not reserved by the time that the network is being deleted can't be any more, and what is
  // being made is taken back by its maker.
  const { network: record, members } = await whenFree((requireFree) =>
    transact(store, async (transaction) => {
      const network = await networkOf(transaction, uuid);
      const members = await membersOf(transaction, uuid);
      const parts = [...members, ...members.map(({ floating }) => floating), ...Object.values(network.routed)];
      requireFree(`network ${uuid}`, ...parts);
      return { network, members };
    }),
  );

  const errors = new Errors();
  // First, because dnsmasq would keep the namespace alive, and with it both pairs.
  await errors.attempt(() => context.dhcp.stop(record));
  await context.departures.during(members.length, () =>
    condemnTogether(context, [...members.flatMap(linksOfMember), ...networkLinks(record)]),
  );
  errors.add(
    ...(await takeAway(context, [
      // What is inside goes with the namespace.
      ...outside(record, planMemberRemoval(host, record, members)),
      ...planNetworkRemoval(host, record),
    ])),
  );
  await transact(store, async (transaction) => {
    if (!errors.any) return releaseNetwork(transaction, context, uuid);
    const { claim: _, ...rest } = await networkOf(transaction, uuid);
    transaction.put(keys.network(uuid), rest);
  });
  errors.throwIfAny(`network ${uuid} could not be removed completely`);
}

/** Gives back everything that was reserved for a network. */
async function releaseNetwork(transaction: Transaction, context: Context, uuid: string): Promise<void> {
  const record = await transaction.get<NetworkRecord>(keys.network(uuid));
  if (record === undefined) return;
  for (const member of await membersOf(transaction, uuid)) {
    await releaseInterface(transaction, context, record, member);
  }
  for (const { key } of await transaction.list(`${keys.addresses(uuid)}/`)) transaction.delete(key);
  for (const address of [record.egress?.address, ...Object.keys(record.routed)]) {
    if (address !== undefined) await context.floating.release(transaction, address, { owner: uuid });
  }
  await releaseVni(transaction, uuid, record.vni);
  await giveNameBack(transaction, record);
  transaction.delete(keys.network(uuid));
}
