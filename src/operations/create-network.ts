import { randomUUID } from 'node:crypto';
import { type NetworkRequest, parseNetworkOptions } from '../api/options.js';
import type { CreateNetworkOptions } from '../api/types.js';
import { isActiveRouter, isNetworkNode } from '../desired/local-node.js';
import { networkResource, resourceId } from '../desired/resources.js';
import { ConflictError, ValidationError } from '../errors.js';
import { asCall, type Context } from '../host/context.js';
import { requireWritableSysctls } from '../host/sysctls.js';
import { localMac } from '../ipam/local-mac.js';
import { parseNetblock } from '../ipam/netblock.js';
import { reserveVni } from '../ipam/vni.js';
import { Observer } from '../kernel/ensure/observer.js';
import { asCapacityError } from '../records/capacity.js';
import { reserveEgress } from '../records/egress.js';
import { reserveName } from '../records/names.js';
import { networkOf } from '../records/queries.js';
import { keys, type NetworkRecord } from '../records/records.js';
import { type Transaction, transact } from '../store/transaction.js';
import { applyAndSettle } from './creation.js';
import { removeNetwork } from './delete-network.js';
import { retryTakenIndexes } from './retry-indexes.js';

/** Number of links of a network: `vxlan-…`, `br-vxlan-…` and two veth pairs. */
const NETWORK_LINKS = 6;
/** Largest netblock whose released addresses are remembered: each takes a record. */
const MOST_REMEMBERED = 65_536;

/** In a cluster, all interfaces announce their addresses. */
const isRemembering = ({ node }: Context, netblock: string): boolean =>
  node === undefined && parseNetblock('netblock', netblock).size <= MOST_REMEMBERED;

/** Creates a network in three steps: reserves it, applies it, settles its record. */
export function createNetwork(context: Context, options: CreateNetworkOptions): Promise<NetworkRecord> {
  return asCall(context, () => retryTakenIndexes(() => createOnce(context, options)));
}

async function createOnce(context: Context, options: CreateNetworkOptions): Promise<NetworkRecord> {
  await context.environment.refresh({ keepsSubnets: true });
  const request = checkNetworkOptions(context, options);
  request.signal?.throwIfAborted();
  for (const field of ['router', 'floatingPool'] as const) {
    if (request[field] !== undefined && context.coordinator.routers === undefined)
      throw new ValidationError(field, request[field], 'no value on a lone host');
  }
  await requireWritableSysctls();
  if (isNetworkNode(context.localNode)) {
    await context.dhcp.require(request);
    // Only the router has the namespaces of networks.
    if (request.uuid !== undefined) await refuseExistingNamespace(context, request.uuid);
  }
  const uuid = request.uuid ?? randomUUID();
  return context.locks.exclusive(uuid, async () => {
    const indexes = await context.indexes.take(NETWORK_LINKS);
    const { result: network, revision } = await context.coordinator.commit((transaction) =>
      reserveNetwork(transaction, context, uuid, request, indexes),
    );
    // A VXLAN link that is marked for deletion still uses its VNI. A VNI that the caller fixed may be that of such a
    // link.
    if (request.vni !== undefined) await context.reaper.sweep();
    return create(context, network, revision, request.signal);
  });
}

/** Checks the options of a network against the settings and the MTU of the host. @throws ValidationError */
export function checkNetworkOptions(context: Context, options: CreateNetworkOptions): NetworkRequest {
  const { coordinator, host, settings } = context;
  const { tenant, dnsServers } = settings;
  return parseNetworkOptions(options, {
    floatingNetwork: host.floatingNetwork,
    mtu: coordinator.mtu,
    ...{ tenant, dnsServers },
  });
}

async function create(
  context: Context,
  network: NetworkRecord,
  revision: number,
  signal: AbortSignal | undefined,
): Promise<NetworkRecord> {
  const { localNode, host } = context;
  const { uuid } = network;
  const creation = {
    ...{ network, revision, ids: [resourceId.network], signal },
    resources: isActiveRouter(localNode, network) ? [networkResource(localNode, network)] : [],
  };
  try {
    return await applyAndSettle(context, creation, {
      settle: () => settleNetwork(context, uuid),
      undo: (applied) => removeNetwork(context, uuid, { own: { network }, ...applied }),
    });
  } catch (error) {
    throw asCapacityError(error, host.egressBridge.name);
  }
}

/** Sets the state of a network to `created`. @throws NotFoundError, ConflictError if it is being deleted */
function settleNetwork({ store }: Pick<Context, 'store'>, uuid: string): Promise<NetworkRecord> {
  return transact(store, async (transaction) => {
    const { claim: _, ...record } = await networkOf(transaction, uuid);
    if (record.state === 'deleting') throw new ConflictError(`network ${uuid} is being deleted`);
    const created: NetworkRecord = { ...record, state: 'created' };
    transaction.put(keys.network(uuid), created);
    return created;
  });
}

/**
 * Checks that no foreign namespace has the UUID as its name: deleting the network would delete it.
 * @throws ConflictError
 */
async function refuseExistingNamespace({ kernel, store }: Context, uuid: string): Promise<void> {
  const exists = await new Observer(kernel).exists(uuid);
  if (exists && (await store.get(keys.network(uuid))) === undefined) {
    throw new ConflictError(`a namespace named ${uuid} exists already`);
  }
}

/**
 * Reserves the name, the VNI and the floating gateway of a network.
 * @throws ConflictError, CapacityError, ValidationError
 */
async function reserveNetwork(
  transaction: Transaction,
  context: Context,
  uuid: string,
  request: NetworkRequest,
  indexes: readonly number[],
): Promise<NetworkRecord> {
  if ((await transaction.get(keys.network(uuid))) !== undefined) {
    throw new ConflictError(`network ${uuid} exists already`);
  }
  await reserveName(transaction, { uuid, name: request.name, tenant: request.tenant });
  const [vxlan, bridge, innerOuter, innerInner, egressOuter, egressInner] = indexes as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const place = context.coordinator.routers?.choose(request);
  const floating = context.floatingOf(place ?? {}).netblock;
  if (parseNetblock('netblock', request.netblock).overlaps(floating)) {
    const expected = `a network that does not overlap the floating network ${floating.cidr}`;
    throw new ValidationError('netblock', request.netblock, expected);
  }
  const egressAddress = () =>
    reserveEgress(
      transaction,
      context,
      place ?? {},
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
    egress: request.provideNat ? { outer: egressOuter, inner: egressInner, address: await egressAddress() } : undefined,
    ...place,
    routed: {},
    hasHostnameIndex: true,
    ...(isRemembering(context, request.netblock) && { remembersAddresses: true }),
    metadata: request.metadata,
    state: 'initial',
    claim: context.owner.claim(),
  };
  transaction.create(keys.network(uuid), record);
  return record;
}
