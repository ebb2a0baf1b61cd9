import type { RepairResult } from '../api/observation.js';
import type { HostInfo, NodeInfo } from '../api/types.js';
import { ConflictError } from '../errors.js';
import { reconcile } from '../reconcile/reconcile.js';
import { recover } from '../reconcile/recovery.js';
import { type RepairRequest, Repairs } from '../reconcile/repair.js';
import { requireNoNetworks } from '../records/queries.js';
import { type InterfaceRecord, keys } from '../records/records.js';
import { type Transaction, transact } from '../store/transaction.js';
import { Controller, type ControllerEvents } from './controller.js';
import { clusterKeys } from './keys.js';
import { lossAtStart, reclaimLostLinks } from './loss.js';
import { isTaken, Membership, membersIn } from './membership.js';
import type { Applied, ClusterContext, NodeRecord } from './types.js';

/** What a node reports of itself. */
export interface NodeEvents extends ControllerEvents {
  /** This process has become the node's agent, or is it no more. */
  leadership?: (isLeader: boolean) => void;
  repaired?: (repairs: readonly RepairResult[]) => void;
}

/** Interval at which interrupted changes are recovered, in milliseconds. */
const RESYNC_INTERVAL_MS = 10_000;

/** @throws ConflictError */
async function requireNoInterfaces(transaction: Transaction, node: string): Promise<void> {
  const interfaces = await transaction.list<InterfaceRecord>(keys.interfaces);
  const here = interfaces.filter(({ value }) => value.node === node).length;
  if (here > 0) throw new ConflictError(`${here} interfaces live on ${node}: detach them before it is torn down`);
}

/** A process of a node: it serves its own calls, and, while it is the node's agent, applies what the store has to the node. */
export class Node {
  readonly #context: ClusterContext;
  readonly #events: NodeEvents;
  readonly #isAgent: boolean;
  readonly #membership: Membership;
  readonly controller: Controller;
  #resyncing: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  /** The first resync as the agent has ended. */
  #isResynced = false;
  #starting: Promise<void> = Promise.resolve();

  constructor(
    context: ClusterContext,
    { leaseTime, isAgent, events }: { leaseTime: number; isAgent: boolean; events: NodeEvents },
  ) {
    this.#context = context;
    this.#events = events;
    this.#isAgent = isAgent;
    this.controller = new Controller(context, events);
    this.#membership = new Membership(context.store, context.self, {
      ttl: leaseTime,
      onLeadership: (isLeader) => {
        this.#starting = this.#starting
          .then(() => this.#lead(isLeader))
          .catch((error) => events.failed?.('node', error));
      },
    });
    context.storeGuard.onChange((reason) => this.#doubt(reason));
  }

  get store(): ClusterContext['store'] {
    return this.#context.store;
  }

  /** Nodes that are heard of. */
  get members(): NodeRecord[] {
    return membersIn(this.#context.store);
  }

  /** Why this node changes nothing, in words. */
  get doubt(): string | undefined {
    return this.#context.storeGuard.reason;
  }

  /** True while this process is the node's agent. */
  get isLeader(): boolean {
    return this.#membership.isLeader;
  }

  /** Resolves when the node is a member, and its host is as it should be if that is this process's work. */
  async join(): Promise<void> {
    if (this.#isAgent) {
      await this.#membership.join();
      await this.#starting;
    }
    this.#timer = setInterval(() => {
      this.#resyncing = this.#resyncing.then(() => this.#resync(false));
    }, RESYNC_INTERVAL_MS).unref();
  }

  async #lead(isLeader: boolean): Promise<void> {
    this.#events.leadership?.(isLeader);
    await (isLeader ? this.#begin() : this.#pause());
  }

  /** The node's work, unless what the store says is in doubt. */
  async #begin(): Promise<void> {
    const context = this.#context;
    const { storeGuard } = context;
    if (!this.isLeader) return;
    if (storeGuard.reason !== undefined) return this.#tellOfDoubt(storeGuard.reason);
    if (storeGuard.isAccepted) await reclaimLostLinks(context);
    else {
      const loss = await lossAtStart(context);
      if (loss !== undefined) return storeGuard.block(loss);
    }
    await storeGuard.remember();
    await this.controller.prepareHost();
    if (storeGuard.reason !== undefined) return;
    this.controller.start();
    this.#resyncing = this.#resyncing.then(() => this.#resync(true));
  }

  #pause(): Promise<void> {
    this.#isResynced = false;
    return this.controller.stop();
  }

  #doubt(reason: string | undefined): void {
    if (reason === undefined) {
      this.#starting = this.#starting.then(() => this.#begin()).catch((error) => this.#events.failed?.('node', error));
      return;
    }
    // At once: what changes next is what is doubted.
    const paused = this.#pause();
    this.#starting = this.#starting.then(() => paused);
    this.#membership.register();
    this.#tellOfDoubt(reason);
  }

  #tellOfDoubt(detail: string): void {
    const { events } = this.#context;
    this.#events.failed?.('the store', new ConflictError(detail));
    if (this.isLeader)
      void events.record({ event: 'store.doubted', cause: 'supervision', detail }, { began: performance.now() });
  }

  /** Recovers interrupted changes; with `everything`, as the node's new agent, compares all that the node has. */
  async #resync(everything: boolean): Promise<void> {
    const context = this.#context;
    const request = { dryRun: false, cause: everything ? 'opening' : 'supervision' } as const;
    try {
      if (context.store.outdatedSince !== undefined || context.storeGuard.reason !== undefined) return;
      if (this.isLeader) await context.storeGuard.remember();
      else if (everything) return;
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

  /** Deletes the notes of removals that this node had not heard of, once it has removed all. */
  async #forgetRemovals(deletes: readonly string[]): Promise<void> {
    if (deletes.length > 0) await this.#context.store.commit({ conditions: [], puts: [], deletes });
  }

  /** What the host's info has of the cluster. */
  describe(): Partial<HostInfo> {
    const { store, node, role, storeGuard } = this.#context;
    const damaged = store.damaged.map((key) => `the value of ${key} in the store is not JSON: it is left alone`);
    const doubts = [...(storeGuard.reason === undefined ? [] : [storeGuard.reason]), ...damaged];
    const members = new Map(membersIn(store).map((member) => [member.name, member]));
    const interfaces = store.peekList<InterfaceRecord>(keys.interfaces).map(({ value }) => value.node);
    const nodes = store.peekList<NodeRecord>(clusterKeys.knownNodes).map(({ value }): NodeInfo => {
      const { name, role, address, mtu } = members.get(value.name) ?? value;
      return {
        ...{ name, role, mtu, state: members.has(name) ? 'member' : 'gone' },
        ...(address !== undefined && { address }),
        interfaces: interfaces.filter((each) => each === name).length,
      };
    });
    return { node, role, nodes, ...(doubts.length > 0 && { warnings: doubts }) };
  }

  /** A hypervisor node may leave its cluster at any time; without the network node there are no networks. */
  async tearDown(remove: () => Promise<void>): Promise<void> {
    const { store, node, role, storeGuard } = this.#context;
    storeGuard.requireUnblocked();
    await transact(
      store,
      role === 'network' ? requireNoNetworks : (transaction) => requireNoInterfaces(transaction, node),
    );
    const agent = this.members.find(({ name }) => name === node);
    if (!this.isLeader && agent !== undefined && isTaken(agent)) {
      const text = `process ${agent.claim.pid} is the agent of node ${node}, and would set it up again: end it first`;
      throw new ConflictError(text);
    }
    await this.controller.idle();
    const left = store.peekList<Applied>(clusterKeys.applied(node)).filter(({ value }) => value.present).length;
    if (left > 0) throw new ConflictError(`${node} still has something of ${left} networks, which its agent removes`);
    await this.controller.stop();
    try {
      await remove();
      await transact(store, async (transaction) => {
        transaction.delete(clusterKeys.knownNode(node));
        transaction.delete(clusterKeys.node(node));
        if (role === 'network') transaction.delete(keys.host);
      });
    } catch (error) {
      if (this.isLeader) this.controller.start();
      throw error;
    }
    await this.stop({ forget: true });
  }

  /** Ends this process's part in the node. @param options.forget the node leaves its cluster */
  async stop({ forget } = { forget: false }): Promise<void> {
    clearInterval(this.#timer);
    await this.#membership.leave({ forget });
    await this.#starting;
    await this.controller.stop();
    await this.#resyncing;
  }
}
