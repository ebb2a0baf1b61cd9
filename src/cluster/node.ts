import { ConflictError } from '../errors.js';
import type { Actions, ReconcileRequest } from '../model/actions.js';
import { begin } from '../model/begin.js';
import { noting } from '../model/reconcile.js';
import { type InterfaceRecord, keys } from '../model/records.js';
import { requireNoNetworks } from '../model/registry.js';
import { carryOut } from '../model/repair.js';
import type { HostInfo, NodeInfo } from '../model/types.js';
import { type Transaction, transact } from '../store/transaction.js';
import { abandoned } from './abandoned.js';
import { clusterVerbs } from './actions.js';
import { acceptStore } from './caution.js';
import { clusterKeys } from './keys.js';
import { disown, lossAtStart } from './loss.js';
import { isTaken, Membership, membersIn } from './membership.js';
import { reconcileNode } from './reconcile.js';
import type { Applied, ClusterContext, NodeRecord } from './types.js';
import { Worker, type WorkerEvents } from './worker.js';

/** What a node tells of itself. */
export interface NodeEvents extends WorkerEvents {
  /** This process has acquired, or lost, the leadership of its node: the leader changes the node's kernel. */
  leadership?: (isLeader: boolean) => void;
  repaired?: (repairs: readonly string[]) => void;
}

/** Changes that nobody finishes are looked for this often, in milliseconds. */
const TIDY_INTERVAL = 10_000;

/** @throws ConflictError */
async function requireNoInterfaces(transaction: Transaction, node: string): Promise<void> {
  const interfaces = await transaction.list<InterfaceRecord>(keys.interfaces);
  const here = interfaces.filter(({ value }) => value.node === node).length;
  if (here > 0) throw new ConflictError(`${here} interfaces live on ${node}: detach them before it is torn down`);
}

/** A process's part in its node: always callers' work, and the node's own if it holds the seat. */
export class Node {
  readonly #context: ClusterContext;
  readonly #events: NodeEvents;
  readonly #isAgent: boolean;
  readonly #membership: Membership;
  readonly worker: Worker;
  readonly actions: Actions;
  #tidying: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  /** What was left lying about has been seen to. */
  #isTidy = false;
  #starting: Promise<void> = Promise.resolve();

  constructor(
    context: ClusterContext,
    { leaseTime, isAgent, events }: { leaseTime: number; isAgent: boolean; events: NodeEvents },
  ) {
    this.#context = context;
    this.#events = events;
    this.#isAgent = isAgent;
    this.worker = new Worker(context, events);
    this.#membership = new Membership(context.store, context.self, {
      ttl: leaseTime,
      onSeat: (isHolder) => {
        this.#starting = this.#starting
          .then(() => this.#sit(isHolder))
          .catch((error) => events.failed?.('node', error));
      },
    });
    context.caution.onChange((reason) => this.#doubt(reason));
    this.actions = {
      ...clusterVerbs(() => context),
      acceptStore: () => acceptStore(context.store),
      reconcile: (request) => this.#reconcile(request),
      namespaces: async () => (context.role === 'network' ? this.#networks() : []),
      describe: () => this.#describe(),
      asOf: () => context.store.outdatedSince?.toISOString(),
      tearDown: (remove) => this.#tearDown(remove),
      start: () => undefined,
      stop: () => this.#stop(),
    };
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
    return this.#context.caution.reason;
  }

  get isHolder(): boolean {
    return this.#membership.isHolder;
  }

  /** Resolves when the node is a member, and its host is as it should be if that is this process's work. */
  async join(): Promise<void> {
    if (this.#isAgent) {
      await this.#membership.join();
      await this.#starting;
    }
    this.#timer = setInterval(() => {
      this.#tidying = this.#tidying.then(() => this.#tidy(false));
    }, TIDY_INTERVAL).unref();
  }

  async #sit(isHolder: boolean): Promise<void> {
    this.#events.leadership?.(isHolder);
    await (isHolder ? this.#begin() : this.#pause());
  }

  /** The node's work, unless what the store says is in doubt. */
  async #begin(): Promise<void> {
    const context = this.#context;
    const { caution } = context;
    if (!this.isHolder) return;
    if (caution.reason !== undefined) return this.#tellOfDoubt(caution.reason);
    if (caution.isAccepted) await disown(context);
    else {
      const loss = await lossAtStart(context);
      if (loss !== undefined) return caution.raise(loss);
    }
    await caution.note();
    await this.worker.prepareHost();
    if (caution.reason !== undefined) return;
    this.worker.start();
    this.#tidying = this.#tidying.then(() => this.#tidy(true));
  }

  #pause(): Promise<void> {
    this.#isTidy = false;
    return this.worker.stop();
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
    if (this.isHolder)
      void events.tell({ event: 'store.doubted', cause: 'supervision', detail }, { began: performance.now() });
  }

  /** What was left lying about: `everything`, by whoever was here before, or only what nobody will finish. */
  async #tidy(everything: boolean): Promise<void> {
    const context = this.#context;
    const request = { dryRun: false, cause: everything ? 'opening' : 'supervision' } as const;
    try {
      if (context.store.outdatedSince !== undefined || context.caution.reason !== undefined) return;
      if (this.isHolder) await context.caution.note();
      else if (everything) return;
      if (everything) await this.worker.idle();
      const removals = context.store.peekList(clusterKeys.removals(context.node)).map(({ key }) => key);
      const repairs = everything
        ? await reconcileNode(context, this.worker, request)
        : await carryOut(abandoned(context, this.worker, this.isHolder), noting(context, request)());
      if (repairs.length > 0) this.#events.repaired?.(repairs);
      if (everything) this.#isTidy = true;
      const { backlog, failing } = this.worker;
      if (this.#isTidy && backlog + failing === 0) await this.#forgetRemovals(removals);
    } catch (error) {
      this.#events.failed?.('repair', error);
    }
  }

  /** What others noted for this node to remove has been. */
  async #forgetRemovals(deletes: readonly string[]): Promise<void> {
    if (deletes.length > 0) await this.#context.store.commit({ conditions: [], puts: [], deletes });
  }

  async #reconcile(request: ReconcileRequest): Promise<string[]> {
    const { node } = this.#context;
    if (!request.dryRun && !this.isHolder) {
      throw new ConflictError(`another process is the agent of node ${node}: it repairs by itself`);
    }
    if (!request.dryRun) this.#context.caution.refuse();
    return reconcileNode(this.#context, this.worker, request);
  }

  #networks(): string[] {
    return this.#context.store.peekList<{ uuid: string }>(keys.networks).map(({ value }) => value.uuid);
  }

  #describe(): Partial<HostInfo> {
    const { store, node, role, caution } = this.#context;
    const damaged = store.damaged.map((key) => `the value of ${key} in the store is not JSON: it is left alone`);
    const doubts = [...(caution.reason === undefined ? [] : [caution.reason]), ...damaged];
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
  async #tearDown(remove: () => Promise<void>): Promise<void> {
    const { store, node, role, caution } = this.#context;
    caution.refuse();
    await begin(
      store,
      role === 'network' ? requireNoNetworks : (transaction) => requireNoInterfaces(transaction, node),
    );
    const agent = this.members.find(({ name }) => name === node);
    if (!this.isHolder && agent !== undefined && isTaken(agent)) {
      const text = `process ${agent.claim.pid} is the agent of node ${node}, and would set it up again: end it first`;
      throw new ConflictError(text);
    }
    await this.worker.idle();
    const left = store.peekList<Applied>(clusterKeys.applied(node)).filter(({ value }) => value.present).length;
    if (left > 0) throw new ConflictError(`${node} still has something of ${left} networks, which its agent removes`);
    await this.worker.stop();
    try {
      await remove();
      await transact(store, async (transaction) => {
        transaction.delete(clusterKeys.knownNode(node));
        transaction.delete(clusterKeys.node(node));
        if (role === 'network') transaction.delete(keys.host);
      });
    } catch (error) {
      if (this.isHolder) this.worker.start();
      throw error;
    }
    await this.#stop({ forget: true });
  }

  async #stop({ forget } = { forget: false }): Promise<void> {
    clearInterval(this.#timer);
    await this.#membership.leave({ forget });
    await this.#starting;
    await this.worker.stop();
    await this.#tidying;
  }
}
