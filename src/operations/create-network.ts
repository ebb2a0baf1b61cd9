import { randomUUID } from 'node:crypto';
import { type NetworkRequest, parseNetworkOptions } from '../api/options.js';
import type { CreateNetworkOptions } from '../api/types.js';
import { isRouter } from '../desired/local-node.js';
import { networkResource, resourceId } from '../desired/resources.js';
import { ConflictError } from '../errors.js';
import { asCall, type Context } from '../host/context.js';
import { localMac } from '../ipam/local-mac.js';
import { parseNetblock } from '../ipam/netblock.js';
import { reserveVni } from '../ipam/vni.js';
import { asCapacityError } from '../records/capacity.js';
import { claim } from '../records/claim.js';
import { reserveEgress } from '../records/egress.js';
import { reserveName } from '../records/names.js';
import { networkOf } from '../records/queries.js';
import { keys, type NetworkRecord } from '../records/records.js';
import { type Transaction, transact } from '../store/transaction.js';
import { removeNetwork } from './delete-network.js';
import { retryTakenIndexes } from './retry-indexes.js';

/** `vxlan`, `br-vxlan`, and the two veth pairs. */
const NETWORK_LINKS = 6;

/** Creates a network: chooses what is left open, reserves that, has it created, and records that it is. */
export function createNetwork(context: Context, options: CreateNetworkOptions): Promise<NetworkRecord> {
  return asCall(context, () => retryTakenIndexes(() => createOnce(context, options)));
}

async function createOnce(context: Context, options: CreateNetworkOptions): Promise<NetworkRecord> {
  await context.environment.refresh();
  const request = checkNetworkOptions(context, options);
  request.signal?.throwIfAborted();
  if (isRouter(context.localNode)) {
    await context.dhcp.require(request);
    // Other nodes have no namespaces of networks.
    if (request.uuid !== undefined) await refuseExistingNamespace(context, request.uuid);
  }
  const uuid = request.uuid ?? randomUUID();
  return context.locks.exclusive(uuid, async () => {
    const indexes = await context.indexes.take(NETWORK_LINKS);
    const { result: network, revision } = await context.coordinator.commit((transaction) =>
      reserveNetwork(transaction, context, uuid, request, indexes),
    );
    // A link that is out of service still has its VNI, and a fixed one may be that of a network just deleted.
    if (request.vni !== undefined) await context.reaper.sweep();
    return create(context, network, revision, request.signal);
  });
}

/** Checks options against what the host is like. @throws ValidationError */
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
  const { coordinator, localNode, host } = context;
  const { uuid } = network;
  let isCreated = false;
  try {
    await coordinator.apply({
      ...{ network, revision, ids: [resourceId.network], signal },
      resources: isRouter(localNode) ? [networkResource(localNode, network)] : [],
    });
    isCreated = true;
    return await settleNetwork(context, uuid);
  } catch (error) {
    // What cannot be removed now stays recorded, and reconciliation removes it.
    await removeNetwork(context, uuid, { own: { network }, isCreated }).catch(() => undefined);
    throw asCapacityError(error, host.egressBridge.name);
  }
}

/** Records that a network is created. @throws NotFoundError, ConflictError if it is being deleted */
function settleNetwork({ store }: Pick<Context, 'store'>, uuid: string): Promise<NetworkRecord> {
  return transact(store, async (transaction) => {
    const { claim: _, ...record } = await networkOf(transaction, uuid);
    if (record.state === 'deleting') throw new ConflictError(`network ${uuid} is being deleted`);
    const created: NetworkRecord = { ...record, state: 'created' };
    transaction.put(keys.network(uuid), created);
    return created;
  });
}

/** Deleting a network deletes the namespace of its name, so that one must not be another's. */
async function refuseExistingNamespace({ kernel, store }: Context, uuid: string): Promise<void> {
  const namespaces = await kernel.query('namespace.list');
  if (namespaces.some(({ name }) => name === uuid) && (await store.get(keys.network(uuid))) === undefined) {
    throw new ConflictError(`a namespace named ${uuid} exists already`);
  }
}

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
  const egressAddress = () =>
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
    egress: request.provideNat ? { outer: egressOuter, inner: egressInner, address: await egressAddress() } : undefined,
    routed: {},
    metadata: request.metadata,
    state: 'initial',
    claim: claim(context.node),
  };
  transaction.create(keys.network(uuid), record);
  return record;
}
