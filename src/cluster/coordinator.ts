import { participants } from '../desired/desired-state.js';
import { resourceId } from '../desired/resources.js';
import { ConflictError, NotFoundError } from '../errors.js';
import type { Coordinator, Creation, NetworkStates, Removal, SwitchRequest } from '../host/coordinator.js';
import { attachLimit } from '../operations/attach-limit.js';
import { isOn, linksOn, nodesOf } from '../records/binding.js';
import { type InterfaceRecord, keys, type NetworkRecord } from '../records/records.js';
import type { Transaction } from '../store/transaction.js';
import { Errors } from '../util/errors.js';
import { ClusterRouters } from './cluster-routers.js';
import { commitAt } from './commit.js';
import { clusterKeys } from './keys.js';
import { membersIn, nodesIn } from './membership.js';
import { currentNetwork, namespaceNodesIn, routerIn } from './network-nodes.js';
import type { Node } from './node.js';
import { appliedOf, peekState } from './records.js';
import { removeNode } from './remove-node.js';
import { acceptStore } from './store-guard.js';
import { requireMember, switchInterface } from './switch.js';
import type { ClusterContext, NodeRecord } from './types.js';
import { waitForNodes } from './waiting.js';

/**
 * The coordinator of a node of a cluster. A call commits a change; the agent of each node applies the resources of its
 * node; the call waits for the nodes that it needs. Only the agent of a node writes to its kernel.
 */
export class ClusterCoordinator implements Coordinator {
  /** A transaction of etcd has at most 128 conditions and operations (`--max-txn-ops`). */
  readonly membersPerCommit = 8;
  readonly states: NetworkStates;
  readonly routers: ClusterRouters;
  readonly #context: () => ClusterContext;
  readonly #node: () => Node;

  constructor(context: () => ClusterContext, node: () => Node) {
    this.#context = context;
    this.#node = node;
    this.routers = new ClusterRouters(context);
    const peek = (uuid: string) => peekState(context().store, uuid);
    this.states = {
      get: async (uuid) => peek(uuid),
      list: async () => node().controller.networks(),
      all: async () => {
        const { store } = context();
        const uuids = store.peekList<NetworkRecord>(keys.networks).map(({ value }) => value.uuid);
        const states = uuids.flatMap((uuid) => peek(uuid) ?? []);
        return {
          states: new Map(states.map((state) => [state.network.uuid, state])),
          interfaces: store.peekList<InterfaceRecord>(keys.interfaces).map(({ value }) => value),
        };
      },
    };
  }

  get mtu(): number {
    const { detected, store } = this.#context();
    return Math.min(detected.mtu, ...nodesIn(store).map(({ mtu }) => mtu));
  }

  get mayRemoveOrphans(): boolean {
    const { store, storeGuard } = this.#context();
    // A record that cannot be read may be that of any object.
    return store.damaged.length === 0 && storeGuard.reason === undefined;
  }

  requireWritable(): void {
    this.#context().storeGuard.requireUnblocked();
  }

  commit<Result>(body: (transaction: Transaction) => Promise<Result>) {
    return commitAt(this.#context().store, body);
  }

  /** From the replica: a node that joins later may have the MAC of an interface in any case. */
  async nodeNames(): Promise<string[]> {
    return nodesIn(this.#context().store).map(({ name }) => name);
  }

  async apply({
    network,
    revision,
    ids,
    nic,
    needsThisNode,
    nodes = [],
    isEverywhere,
    signal,
  }: Creation): Promise<void> {
    const context = this.#context();
    const { store, node } = context;
    const { uuid } = network;
    const router = () => routerIn(store, currentNetwork(store, network));
    const wait = () =>
      waitForNodes(context, {
        ...{ network: uuid, revision, ids, signal },
        essential: () => [router(), ...(needsThisNode ? [node] : []), ...nodes],
        awaited: () => [],
        others: isEverywhere ? participants(router(), peekState(store, uuid)?.members ?? []) : [],
      });
    await (nic === undefined ? wait() : attachLimit.runReleased(wait));
  }

  get isActive(): boolean {
    const { store, storeGuard } = this.#context();
    return this.#node().isLeader && store.outdatedSince === undefined && storeGuard.reason === undefined;
  }

  changesPort({ network, uuid }: InterfaceRecord): boolean {
    return this.isActive && this.#node().controller.isSteady(network, resourceId.interface(uuid));
  }

  applied({ network, revision, ids, signal }: Parameters<Coordinator['applied']>[0]): Promise<void> {
    const context = this.#context();
    const nodes = { essential: () => [context.node], awaited: () => [], others: [] };
    return waitForNodes(context, { ...nodes, network, revision, ids, signal });
  }

  async remove(removal: Removal): Promise<Error[]> {
    const { network, revision, ids, members, resources } = removal;
    const context = this.#context();
    const { store } = context;
    const nodes = () => namespaceNodesIn(store, currentNetwork(store, network));
    const errors = new Errors();
    await errors.attempt(async () => {
      const isWhole = resources.some(({ kind }) => kind === 'network');
      const others = participants(routerIn(store, network), peekState(store, network.uuid)?.members ?? []);
      await waitForNodes(context, {
        ...{ network: network.uuid, revision, ids, others },
        essential: () => [],
        // Nodes with objects that are removed.
        awaited: () => [...nodes(), ...members.flatMap(nodesOf), ...(isWhole ? others : [])],
      });
      await this.#notifyAbsentNodes(removal);
    });
    return [...errors.all];
  }

  exclusive<Result>(network: string, work: () => Promise<Result>): Promise<Result> {
    return this.#node().controller.exclusive(network, work);
  }

  async beforeReconcile({ dryRun }: { dryRun: boolean }): Promise<void> {
    const { store, node, storeGuard } = this.#context();
    if (!dryRun) {
      if (!this.#node().isLeader) {
        throw new ConflictError(`another process is the agent of node ${node}, and only the agent repairs the node`);
      }
      storeGuard.requireUnblocked();
    }
    // A linearizable read: the replica has all earlier commits of other nodes afterwards.
    await store.list(keys.networks);
    await this.#node().controller.allowPeers();
    if (!dryRun) await this.#node().followUnderlay();
  }

  /**
   * The router of a network recovers changes without a claim, and those of nodes whose lease has expired. If the router is
   * gone, the first other network node does.
   */
  recovers(owner: { node?: string } | undefined, network: string): boolean {
    const { store, node, role } = this.#context();
    if (role !== 'network') return false;
    const record = store.peek<NetworkRecord>(keys.network(network))?.value;
    const members = membersIn(store).flatMap(({ name, role }) => (role === 'network' ? [name] : []));
    const router = record && routerIn(store, record);
    if ((members.find((name) => name === router) ?? members[0] ?? node) !== node) return false;
    return owner === undefined || this.#node().controller.isGone(owner.node ?? '');
  }

  async requireNode(transaction: Transaction, name: string): Promise<{ mtu: number }> {
    const known = await transaction.get<NodeRecord>(clusterKeys.knownNode(name));
    if (known === undefined) throw new NotFoundError('node', name);
    requireMember(this.#context(), name);
    return known;
  }

  switchInterface(uuid: string, request: SwitchRequest): Promise<InterfaceRecord> {
    return switchInterface(this.#context(), uuid, request);
  }

  removeNode(name: string, options: { detach: boolean }): Promise<void> {
    return removeNode(this.#context(), name, options);
  }

  acceptStore(): Promise<void> {
    return acceptStore(this.#context().store);
  }

  describe() {
    return this.#node().describe();
  }

  asOf(): string | undefined {
    return this.#context().store.outdatedSince?.toISOString();
  }

  tearDown(remove: () => Promise<void>): Promise<void> {
    return this.#node().tearDown(remove);
  }

  start(): void {}

  stop(): Promise<void> {
    return this.#node().stop();
  }

  /**
   * Records link indexes of the removal for each node that has not applied it. Such a node finds the record missing
   * later, and must distinguish a removal from a loss of records.
   */
  async #notifyAbsentNodes({ network, revision, members, resources }: Removal): Promise<void> {
    const { store } = this.#context();
    const { uuid } = network;
    const isWhole = resources.some(({ kind }) => kind === 'network');
    const nodes = new Set([
      ...members.flatMap(nodesOf),
      ...(isWhole ? [...namespaceNodesIn(store, network), ...nodesIn(store).map(({ name }) => name)] : []),
    ]);
    const puts = [...nodes].flatMap((node) => {
      const applied = appliedOf(store, node, uuid);
      if (applied === undefined || applied.revision >= revision) return [];
      const local = members.filter((member) => isOn(member, node));
      const links = [...(isWhole ? [network.bridge.index] : []), ...local.flatMap((member) => linksOn(member, node))];
      const subject = isWhole ? uuid : (local[0]?.uuid ?? uuid);
      return [{ key: clusterKeys.removal(node, subject), value: links }];
    });
    if (puts.length > 0) await store.commit({ conditions: [], puts, deletes: [] });
  }
}
