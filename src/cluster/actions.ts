import { randomUUID } from 'node:crypto';
import { parseAttachOptions, parseNetworkOptions } from '../api/options.js';
import type { AttachOptions, CreateNetworkOptions } from '../api/types.js';
import { ConflictError, NotFoundError } from '../errors.js';
import { halo } from '../host/context.js';
import type { Actions } from '../operations/actions.js';
import { chooseAttachment, reserveInterface, settleInterface } from '../operations/attach.js';
import { NETWORK_LINKS, refuseForeignNamespace, reserveNetwork, settleNetwork } from '../operations/create-network.js';
import { reserveFloating, settleFloating } from '../operations/float.js';
import { withFreshIndexes } from '../operations/retry-indexes.js';
import { reserveRouted, settleRouted } from '../operations/route.js';
import { desiredFloating, type InterfaceRecord, keys, type NetworkRecord } from '../records/records.js';
import { asCall as asCallOf } from './calls.js';
import { clusterKeys } from './keys.js';
import { nodesIn } from './membership.js';
import { carriersOf } from './part.js';
import { record } from './record.js';
import { peekScope } from './records.js';
import { removeFloating, removeInterface, removeNetwork, removeRouted } from './removal.js';
import type { ClusterContext, NodeRecord } from './types.js';
import { waitForNodes } from './waiting.js';

type Verbs = Omit<
  Actions,
  'acceptStore' | 'reconcile' | 'namespaces' | 'tearDown' | 'describe' | 'asOf' | 'start' | 'stop'
>;

/**
 * What callers want, in a cluster: it is recorded, every node that it concerns does its part, and the call ends when all
 * have. What a node could not do is taken back everywhere.
 */
export function clusterVerbs(context: () => ClusterContext): Verbs {
  const asCall = <Result>(work: () => Promise<Result>): Promise<Result> =>
    asCallOf(async () => {
      context().caution.refuse();
      return work();
    });
  return {
    createNetwork: (options) => asCall(() => withFreshIndexes(() => createNetwork(context(), options))),
    deleteNetwork: (uuid) => asCall(() => removeNetwork(context(), uuid)),
    attach: (network, options, isOnly = false) =>
      asCall(() => withFreshIndexes(() => attach(context(), network, options, isOnly))),
    detach: ({ uuid }) => asCall(() => removeInterface(context(), uuid, halo(context()))),
    float: ({ uuid }, wanted) => asCall(() => withFreshIndexes(() => float(context(), uuid, wanted))),
    defloat: ({ uuid }) => asCall(() => removeFloating(context(), uuid)),
    route: (network, wanted) => asCall(() => route(context(), network, wanted)),
    unroute: (network, address) => asCall(() => unroute(context(), network, address)),
    ping: (network, address, timeout) => {
      const { role, networkNode, kernel } = context();
      if (role === 'network') return kernel.ping(address, { netns: network, timeout });
      throw new ConflictError(`the network's namespace is on node ${networkNode}: ping from there`);
    },
  };
}

async function createNetwork(context: ClusterContext, options: CreateNetworkOptions): Promise<NetworkRecord> {
  await context.environment.refresh();
  const { store, host, settings, facts, networkNode } = context;
  const mtu = Math.min(facts.mtu, ...nodesIn(store).map((node) => node.mtu));
  const request = parseNetworkOptions(options, {
    floatingNetwork: host.floatingNetwork,
    mtu,
    tenant: settings.tenant,
    dnsServers: settings.dnsServers,
  });
  request.signal?.throwIfAborted();
  // The other nodes have no namespaces of networks.
  if (request.uuid !== undefined && context.role === 'network') await refuseForeignNamespace(context, request.uuid);
  const uuid = request.uuid ?? randomUUID();
  const indexes = await context.indexes.take(NETWORK_LINKS);
  const { revision } = await record(store, (transaction) =>
    reserveNetwork(transaction, context, uuid, request, indexes),
  );
  return undone(
    async () => {
      await waitForNodes(context, {
        ...{ network: uuid, revision, items: ['network'] },
        ...{ essential: [networkNode], others: [], signal: request.signal },
      });
      return settleNetwork(context, uuid);
    },
    () => removeNetwork(context, uuid),
  );
}

async function attach(
  context: ClusterContext,
  uuid: string,
  options: AttachOptions,
  isOnly: boolean,
): Promise<InterfaceRecord> {
  const { store, node, networkNode, facts } = context;
  const request = { ...parseAttachOptions(options), isOnly };
  request.signal?.throwIfAborted();
  const chosen = await chooseAttachment(context, request);
  // Before etcd is asked for anything.
  await chosen.attachment;
  const { result, revision } = await record(store, async (transaction) => {
    const nodes = await transaction.list<NodeRecord>(clusterKeys.knownNodes);
    const names = nodes.map(({ value }) => value.name);
    const surroundings = { floating: context.floating, node, nodes: names };
    const reserved = await reserveInterface(transaction, uuid, request, chosen, surroundings);
    if (reserved.network.mtu > facts.mtu) {
      const text = `network ${uuid} has an MTU of ${reserved.network.mtu}, of which the mesh NIC of ${node} takes ${facts.mtu}`;
      throw new ConflictError(text);
    }
    return reserved;
  });
  const { network, nic } = result;
  return undone(
    async () => {
      await waitForNodes(context, {
        ...{ network: network.uuid, revision, items: ['network', nic.uuid] },
        essential: [networkNode, node],
        others: carriersOf(networkNode, peekScope(store, uuid)?.members ?? []),
        signal: request.signal,
      });
      return settleInterface(context, nic);
    },
    () => removeInterface(context, nic.uuid, 0),
  );
}

async function float(context: ClusterContext, uuid: string, wanted: string | undefined): Promise<string> {
  const { store, networkNode } = context;
  const [outer, inner] = (await context.indexes.take(2)) as [number, number];
  const { result, revision } = await record(store, (transaction) =>
    reserveFloating(transaction, context, uuid, { wanted, pair: { outer, inner } }),
  );
  const { nic, network, isNew } = result;
  const address = desiredFloating(nic)?.address as string;
  if (!isNew) return address;
  return undone(
    async () => {
      await waitForNodes(context, {
        ...{ network: network.uuid, revision, items: ['network', `floating/${uuid}`] },
        ...{ essential: [networkNode], others: [] },
      });
      await settleFloating(context, uuid);
      return address;
    },
    () => removeFloating(context, uuid),
  );
}

async function route(context: ClusterContext, uuid: string, wanted: string | undefined): Promise<string> {
  const { store, networkNode } = context;
  const { result, revision } = await record(store, (transaction) => reserveRouted(transaction, context, uuid, wanted));
  const { address, isNew } = result;
  if (!isNew) return address;
  return undone(
    async () => {
      await waitForNodes(context, {
        ...{ network: uuid, revision, items: ['network', `routed/${address}`] },
        essential: [networkNode],
        others: carriersOf(networkNode, peekScope(store, uuid)?.members ?? []),
      });
      await settleRouted(context, uuid, address);
      return address;
    },
    () => removeRouted(context, uuid, address),
  );
}

async function unroute(context: ClusterContext, uuid: string, address: string): Promise<void> {
  const network = await context.store.get<NetworkRecord>(keys.network(uuid));
  if (network === undefined) throw new NotFoundError('network', uuid);
  if (network.value.routed[address] === undefined) throw new NotFoundError('routed address', address);
  await removeRouted(context, uuid, address);
}

/** Does the work; if it fails, what was recorded for it is taken back. What then fails is left for later. */
async function undone<Result>(work: () => Promise<Result>, undo: () => Promise<void>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    await undo().catch(() => undefined);
    throw error;
  }
}
