import { isDeepStrictEqual } from 'node:util';
import type { HostInfo, NodeInfo, RepairResult } from '../api/types.js';
import { ConflictError } from '../errors.js';
import { reconcile } from '../reconcile/reconcile.js';
import { recover } from '../reconcile/recovery.js';
import { type RepairRequest, Repairs } from '../reconcile/repair.js';
import { isOn } from '../records/binding.js';
import { BRIDGE_PORTS } from '../records/capacity.js';
import { type PoolRecord, poolKeys } from '../records/pools.js';
import { type InterfaceRecord, keys } from '../records/records.js';
import { type Transaction, transact } from '../store/transaction.js';
import type { ClusterRouters } from './cluster-routers.js';
import { Controller, type ControllerEvents } from './controller.js';
import type { NodeLoad } from './egress-load.js';
import { clusterKeys } from './keys.js';
import { lossAtStart, reclaimLostLinks } from './loss.js';
import { hasLeader, Membership, membersIn } from './membership.js';
import { forgetNetworkNode, type NetworkNodeRecord, networkNodesIn, networksOn } from './network-nodes.js';
import type { Applied, ClusterContext, NodeRecord } from './types.js';

/** Callbacks about the work of a node. */
export interface NodeEvents extends ControllerEvents {
  /** This process has become the agent of the node, or has lost the leadership. */
  leadership?: (isLeader: boolean) => void;
  /** Reconciliation or recovery has repaired something. */
  repaired?: (repairs: readonly RepairResult[]) => void;
}

/** Interval at which interrupted changes are recovered, in milliseconds. */
const RESYNC_INTERVAL_MS = 10_000;

/** Checks that a node has no interfaces and no pools. @throws ConflictError */
async function requireNoInterfaces(transaction: Transaction, node: string): Promise<void> {
  const interfaces = await transaction.list<InterfaceRecord>(keys.interfaces);
  const here = interfaces.filter(({ value }) => isOn(value, node)).length;
  const pools = (await transaction.list<PoolRecord>(poolKeys.pools)).filter(({ value }) => value.node === node).length;
  if (pools > 0) throw new ConflictError(`${pools} pools are on ${node}: delete them first`);
  if (here > 0) throw new ConflictError(`${here} interfaces are attached on ${node}: detach them first`);
}

/** Returns the properties of `NodeInfo` that only network nodes have. */
function routingOf(record: NetworkNodeRecord | undefined, load: () => NodeLoad): Partial<NodeInfo> {
  if (record === undefined) return {};
  const { networks, ports } = load();
  return {
    ...{ networks, egressPorts: { used: ports, total: BRIDGE_PORTS }, floatingPool: record.floatingPool },
    ...(record.isCordoned && { cordoned: true }),
  };
}

/**
 * A process of a node. It runs its own calls and, while it is the agent of the node, applies the records to the node.
 */
export class Node {
  readonly #context: ClusterContext;
  readonly #events: NodeEvents;
  readonly #isCandidate: boolean;
  readonly #routers: ClusterRouters;
  readonly #membership: Membership;
  readonly controller: Controller;
  #resyncing: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  /** The first resync since this process became the agent has ended. */
  #isResynced = false;
  #starting: Promise<void> = Promise.resolve();
  /** The properties of the node that its record has. */
  #recorded: ClusterContext['self'];

  /** @param options.isCandidate whether this process takes part in the election of the agent */
  constructor(
    context: ClusterContext,
    {
      leaseTime,
      isCandidate,
      events,
      routers,
    }: { leaseTime: number; isCandidate: boolean; events: NodeEvents; routers: ClusterRouters },
  ) {
    this.#context = context;
    this.#routers = routers;
    this.#events = events;
    this.#isCandidate = isCandidate;
    this.#recorded = context.self;
    this.controller = new Controller(context, events);
    this.#membership = new Membership(context.store, context.self, {
      owner: context.owner,
      ttl: leaseTime,
      onLeadership: (isLeader) => {
        this.#starting = this.#starting
          .then(() => this.#onLeadership(isLeader))
          .catch((error) => events.failed?.('node', error));
      },
    });
    context.storeGuard.onChange((reason) => this.#onGuardChange(reason));
  }

  get store(): ClusterContext['store'] {
    return this.#context.store;
  }

  /** Nodes whose agent has a valid lease. */
  get members(): NodeRecord[] {
    return membersIn(this.#context.store);
  }

  /** Reason why this node changes nothing; undefined if the store is trusted. */
  get blocked(): string | undefined {
    return this.#context.storeGuard.reason;
  }

  /** True while this process is the agent of the node. */
  get isLeader(): boolean {
    return this.#membership.isLeader;
  }

  /** Joins the cluster. Resolves when the leader is known and, if this process leads, the host itself is repaired. */
  async join(): Promise<void> {
    if (this.#isCandidate) {
      await this.#membership.join();
      await this.#starting;
    }
    this.#timer = setInterval(() => {
      this.#resyncing = this.#resyncing.then(() => this.#resync(false));
    }, RESYNC_INTERVAL_MS).unref();
  }

  async #onLeadership(isLeader: boolean): Promise<void> {
    this.#events.leadership?.(isLeader);
    await (isLeader ? this.#startWork() : this.#stopWork());
  }

  /**
   * Reads the NICs of the node. If its address or MTU has changed, records that: the agents of all nodes update the mesh
   * then.
   */
  async followUnderlay(): Promise<void> {
    const { environment } = this.#context;
    await environment.refresh();
    const { self } = this.#context;
    const recorded = this.#recorded;
    if (isDeepStrictEqual(self, recorded)) return;
    this.#recorded = self;
    try {
      await this.#membership.update(self);
    } catch (error) {
      this.#recorded = recorded;
      throw error;
    }
  }

  /** Starts the work of the agent, unless the store is not trusted. */
  async #startWork(): Promise<void> {
    const context = this.#context;
    const { storeGuard } = context;
    if (!this.isLeader) return;
    if (storeGuard.reason !== undefined) return this.#reportSuspicion(storeGuard.reason);
    if (storeGuard.isAccepted) await reclaimLostLinks(context);
    else {
      const loss = await lossAtStart(context);
      if (loss !== undefined) return storeGuard.block(loss);
    }
    storeGuard.writePosition();
    await this.controller.prepareHost();
    if (storeGuard.reason !== undefined) return;
    this.controller.start();
    this.#resyncing = this.#resyncing.then(() => this.#resync(true));
  }

  #stopWork(): Promise<void> {
    this.#isResynced = false;
    return this.controller.stop();
  }

  /** Stops the work of the agent when the store is not trusted, and starts it again after an acceptance. */
  #onGuardChange(reason: string | undefined): void {
    if (reason === undefined) {
      this.#starting = this.#starting
        .then(() => this.#startWork())
        .catch((error) => this.#events.failed?.('node', error));
      return;
    }
    // Synchronously: the next change of the store may be the doubtful one.
    const stopped = this.#stopWork();
    this.#starting = this.#starting.then(() => stopped);
    this.#membership.register();
    this.#reportSuspicion(reason);
  }

  #reportSuspicion(detail: string): void {
    const { events } = this.#context;
    this.#events.failed?.('store', new ConflictError(detail));
    if (this.isLeader)
      void events.record({ event: 'store.suspect', cause: 'supervision', detail }, { began: performance.now() });
  }

  /** Recovers interrupted changes. With `everything`, for a new agent, reconciles the whole node. */
  async #resync(everything: boolean): Promise<void> {
    const context = this.#context;
    const request = { dryRun: false, cause: everything ? 'opening' : 'supervision' } as const;
    try {
      if (context.store.outdatedSince !== undefined || context.storeGuard.reason !== undefined) return;
      if (this.isLeader) {
        context.storeGuard.writePosition();
        if (!everything) await this.followUnderlay();
      } else if (everything) return;
      await this.#routers.abandonMoves(this.isLeader);
      if (everything) await this.controller.idle();
      const removals = context.store.peekList(clusterKeys.removals(context.node)).map(({ key }) => key);
      const repairs = everything ? await reconcile(context, request) : await this.#recover(request);
      if (repairs.length > 0) this.#events.repaired?.(repairs);
      if (everything) this.#isResynced = true;
      const { backlog, failing } = this.controller;
      if (this.#isResynced && backlog + failing === 0) await this.#forgetRemovals(removals);
    } catch (error) {
      this.#events.failed?.('repair', error);
    }
  }

  async #recover(request: RepairRequest): Promise<RepairResult[]> {
    const context = this.#context;
    const { states } = await context.coordinator.states.all();
    return recover(context, states.values(), new Repairs(context, request), this.isLeader);
  }

  /** Deletes the entries of removals that this node had not applied, after it has applied all. */
  async #forgetRemovals(deletes: readonly string[]): Promise<void> {
    if (deletes.length > 0) await this.#context.store.commit({ conditions: [], puts: [], deletes });
  }

  /** Returns the properties of `HostInfo` about the cluster. */
  describe(): Partial<HostInfo> {
    const { store, node, role, storeGuard } = this.#context;
    const networkNodes = new Map(networkNodesIn(store).map((each) => [each.name, each]));
    const damaged = store.damaged.map(
      (key) => `the value of ${key} in the store is not JSON: its objects are not changed`,
    );
    const doubts = [...(storeGuard.reason === undefined ? [] : [storeGuard.reason]), ...damaged];
    const members = new Map(membersIn(store).map((member) => [member.name, member]));
    const interfaces = store.peekList<InterfaceRecord>(keys.interfaces).map(({ value }) => value.node);
    const nodes = store.peekList<NodeRecord>(clusterKeys.knownNodes).map(({ value }): NodeInfo => {
      const { name, role, address, mtu } = members.get(value.name) ?? value;
      return {
        ...{ name, role, mtu, state: members.has(name) ? 'member' : 'gone' },
        ...(address !== undefined && { address }),
        interfaces: interfaces.filter((each) => each === name).length,
        ...routingOf(networkNodes.get(name), () => this.#routers.loadOf(name)),
      };
    });
    return { node, role, nodes, ...(doubts.length > 0 && { warnings: doubts }) };
  }

  /**
   * Removes the node from the cluster.
   * @throws ConflictError while networks (network node) or interfaces (hypervisor) exist
   */
  async tearDown(remove: () => Promise<void>): Promise<void> {
    const { store, node, role, owner, storeGuard } = this.#context;
    storeGuard.requireUnblocked();
    const networks = networksOn(store, node).length;
    if (networks > 0) throw new ConflictError(`${networks} networks exist on ${node}: delete or move them first`);
    await transact(store, (transaction) => requireNoInterfaces(transaction, node));
    const agent = this.members.find(({ name }) => name === node);
    if (!this.isLeader && agent !== undefined && hasLeader(agent, owner)) {
      const text = `process ${agent.claim.pid} is the agent of node ${node}, and would create its objects again: end it first`;
      throw new ConflictError(text);
    }
    await this.controller.idle();
    const left = store.peekList<Applied>(clusterKeys.applied(node)).filter(({ value }) => value.present).length;
    if (left > 0) throw new ConflictError(`${node} still has objects of ${left} networks, which its agent removes`);
    await this.controller.stop();
    try {
      await remove();
      await transact(store, async (transaction) => {
        transaction.delete(clusterKeys.knownNode(node));
        transaction.delete(clusterKeys.node(node));
        if (role === 'network') await forgetNetworkNode(transaction, node);
      });
    } catch (error) {
      if (this.isLeader) this.controller.start();
      throw error;
    }
    await this.stop({ forget: true });
  }

  /** Stops the work of this process. @param options.forget the node leaves the cluster */
  async stop({ forget } = { forget: false }): Promise<void> {
    clearInterval(this.#timer);
    await this.#membership.leave({ forget });
    await this.#starting;
    await this.controller.stop();
    await this.#resyncing;
  }
}
