import { desiredState } from '../desired/desired-state.js';
import { isRouter } from '../desired/local-node.js';
import { isChanging, type NetworkState } from '../desired/network-state.js';
import { StoreError } from '../errors.js';
import { reconcileHost } from '../reconcile/host.js';
import { isOn } from '../records/binding.js';
import { type InterfaceRecord, keys, type NetworkRecord } from '../records/records.js';
import { Backoff, backoffDelay } from '../util/backoff.js';
import { Semaphore } from '../util/semaphore.js';
import { FailureDetector } from './failure-detector.js';
import { clusterKeys } from './keys.js';
import { lossIn } from './loss.js';
import { membersIn } from './membership.js';
import { namespaceNodesIn, networksOn, routerIn } from './network-nodes.js';
import { NetworkReconciler, problemOf } from './network-reconciler.js';
import { allowPeers } from './peers.js';
import { affectedBy, appliedOf, peekState } from './records.js';
import type { Applied, ClusterContext } from './types.js';

/** Number of networks that are applied concurrently. */
const CONCURRENCY = 8;
/** Backoff of retries. */
const BACKOFF = { initial: 500, maximum: 30_000 };

/**
 * True if two records are of the same network. A deleted network may be followed by one with the same UUID and other
 * links.
 */
const isSame = (left: NetworkRecord, right: NetworkRecord) => left.vxlan === right.vxlan;

/** True if a call may wait for the progress of a network. */
const isAwaited = (state: NetworkState | undefined) => state === undefined || isChanging(state);

/** Callbacks about the work of a controller. */
export interface ControllerEvents {
  /** A network has been applied to the node; `problems` are errors by resource. */
  reconciled?: (network: string, milliseconds: number, problems: Applied['problems']) => void;
  /** Work has failed and is retried; `title` names its object. */
  failed?: (title: string, error: unknown) => void;
}

/**
 * Applies the desired state of networks to the node. A change of the store enqueues its network. Changes to a network
 * that is being applied are coalesced into one further run. Errors are retried with exponential backoff.
 */
export class Controller {
  readonly #context: ClusterContext;
  readonly #events: ControllerEvents;
  readonly #reconciler: NetworkReconciler;
  readonly #limit = new Semaphore(CONCURRENCY);
  /** Enqueued networks; true if a call may wait for the network. */
  readonly #due = new Map<string, boolean>();
  /** Networks with an interface that waits for the router to apply it first. */
  readonly #waiting = new Set<string>();
  /** Networks that are being applied or wait for that; the promise resolves at the end. */
  readonly #busy = new Map<string, Promise<void>>();
  /** Networks that are being repaired. */
  readonly #repaired = new Set<string>();
  /** Number of consecutive failures by network. */
  readonly #failures = new Map<string, number>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #failureDetector = new FailureDetector();
  #allowing: Promise<void> = Promise.resolve();
  #peersHaveChanged = true;
  #unsubscribe: (() => void) | undefined;
  #stopped = true;

  constructor(context: ClusterContext, events: ControllerEvents = {}) {
    this.#context = context;
    this.#events = events;
    this.#reconciler = new NetworkReconciler(context);
  }

  /** Number of networks that are enqueued or being applied. */
  get backlog(): number {
    return new Set([...this.#due.keys(), ...this.#busy.keys()]).size;
  }

  /** Number of networks whose last run failed. */
  get failing(): number {
    return this.#failures.size;
  }

  /** True if a record of a network has changed since this node has reported progress: a call may wait for it. */
  #isBehind(uuid: string, state: NetworkState | undefined): boolean {
    const { store, node } = this.#context;
    const reported = appliedOf(store, node, uuid)?.revision ?? 0;
    const versions = [store.peek(keys.network(uuid))?.version ?? 0, ...(state?.versions?.values() ?? [])];
    return versions.some((version) => version > reported);
  }

  /** Enqueues all networks of the node, and then each network that changes. */
  start(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#reconciler.forgetAll();
    this.#peersHaveChanged = true;
    const { store, node } = this.#context;
    this.#unsubscribe = store.onChange((changes) => {
      const loss = lossIn(changes, this.#context);
      if (loss !== undefined) return this.#context.storeGuard.block(loss);
      const { networks, progress, own, nodes } = affectedBy(changes, this.#isHere, {
        node,
        routerOf: this.#routerOf,
      });
      if (nodes) {
        this.#peersHaveChanged = true;
        this.allowPeers().catch((error) => this.#events.failed?.('filter of other nodes', error));
        for (const uuid of this.networks()) this.enqueue(uuid, false);
      }
      for (const uuid of progress) if (this.#waiting.has(uuid)) this.enqueue(uuid);
      for (const uuid of networks) this.enqueue(uuid);
      // An agent of this node whose lease has expired may still write progress of a deleted network. Remove it again.
      for (const uuid of own) if (peekState(store, uuid) === undefined) this.enqueue(uuid, false);
    });
    for (const uuid of this.networks()) {
      const state = peekState(store, uuid);
      this.enqueue(uuid, isAwaited(state) || this.#isBehind(uuid, state));
    }
    void this.idle().then(() => this.#reconciler.endStart());
  }

  /**
   * True if this node takes part in a network, or has objects of it. The entry that says so is written when the first
   * interface is applied: changes that arrive before it must not be lost.
   */
  readonly #isHere = (network: string): boolean => {
    const { store, node } = this.#context;
    const record = store.peek<NetworkRecord>(keys.network(network))?.value;
    const hasNamespace = record !== undefined && namespaceNodesIn(store, record).includes(node);
    return hasNamespace || this.#busy.has(network) || appliedOf(store, node, network) !== undefined;
  };

  /** Returns the router of a network. */
  readonly #routerOf = (network: string): string | undefined => {
    const { store } = this.#context;
    const record = store.peek<NetworkRecord>(keys.network(network))?.value;
    return record && routerIn(store, record);
  };

  /**
   * True if this process has applied a resource, and repairs nothing of its network at present. A call may then change the
   * port of a slot itself: no work closes it afterwards that has read an earlier record.
   */
  isSteady(network: string, resource: string): boolean {
    return !this.#stopped && !this.#repaired.has(network) && this.#reconciler.hasApplied(network, resource);
  }

  /** Stops and waits for running work. Networks stay as they are. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unsubscribe?.();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#due.clear();
    await Promise.all(this.#busy.values());
  }

  /** True if the lease of the agent of a node expired more than a minute ago. */
  readonly isGone = (node: string): boolean => this.#failureDetector.isGone(node, membersIn(this.#context.store));

  /** Returns the UUIDs of the networks that this node takes part in, or has objects of. */
  networks(): string[] {
    const { store, node } = this.#context;
    const applied = clusterKeys.applied(node);
    const own = store.peekList(applied).map(({ key }) => key.slice(applied.length));
    own.push(...networksOn(store, node).map(({ uuid }) => uuid));
    const local = store.peekList<InterfaceRecord>(keys.interfaces).filter(({ value }) => isOn(value, node));
    return [...new Set([...own, ...local.map(({ value }) => value.network)])];
  }

  /**
   * Enqueues a network.
   * @param isAwaited a call may wait for it, so its progress is reported even if nothing changes
   */
  enqueue(uuid: string, isAwaited = true): void {
    if (this.#stopped) return;
    this.#due.set(uuid, isAwaited || this.#due.get(uuid) === true);
    if (!this.#busy.has(uuid))
      this.#busy.set(
        uuid,
        this.#limit.run(() => this.#work(uuid)),
      );
  }

  /** Runs work while the network is not being applied. */
  async exclusive<Result>(uuid: string, work: () => Promise<Result>): Promise<Result> {
    while (this.#busy.has(uuid)) await this.#busy.get(uuid);
    this.#repaired.add(uuid);
    const result = work();
    const settled = result.then(
      () => undefined,
      () => undefined,
    );
    this.#busy.set(
      uuid,
      settled.then(() => {
        this.#repaired.delete(uuid);
        this.#busy.delete(uuid);
        const isAwaited = this.#due.get(uuid);
        if (isAwaited !== undefined) this.enqueue(uuid, isAwaited);
      }),
    );
    return result;
  }

  /**
   * Updates the mesh filter after a change of nodes. Runs before this node reports progress that new nodes may rely on.
   */
  allowPeers(): Promise<void> {
    const allow = async () => {
      if (!this.#peersHaveChanged || this.#stopped) return;
      this.#peersHaveChanged = false;
      try {
        await allowPeers(this.#context);
      } catch (error) {
        this.#peersHaveChanged = true;
        throw error;
      }
    };
    this.#allowing = this.#allowing.then(allow, allow);
    return this.#allowing;
  }

  /** Resolves when no network is being applied. */
  async idle(): Promise<void> {
    while (this.#busy.size > 0) await Promise.all(this.#busy.values());
  }

  /** Applies a network until it is not enqueued any more. */
  async #work(uuid: string): Promise<void> {
    for (
      let isAwaited = this.#due.get(uuid);
      isAwaited !== undefined && !this.#stopped;
      isAwaited = this.#due.get(uuid)
    ) {
      this.#due.delete(uuid);
      try {
        const isDone = await this.#apply(uuid, isAwaited);
        if (isDone) this.#failures.delete(uuid);
        else this.#retry(uuid);
      } catch (error) {
        this.#events.failed?.(`network ${uuid}`, error);
        this.#retry(uuid);
      }
    }
    this.#busy.delete(uuid);
  }

  #retry(uuid: string): void {
    const failures = (this.#failures.get(uuid) ?? 0) + 1;
    this.#failures.set(uuid, failures);
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer);
        this.enqueue(uuid);
      },
      backoffDelay(BACKOFF, failures),
    );
    this.#timers.add(timer);
  }

  /** Applies a network and reports its progress. Resolves to false after an error. */
  async #apply(uuid: string, isAwaited: boolean): Promise<boolean> {
    const { store, node, localNode } = this.#context;
    const began = performance.now();
    const { revision } = store;
    const state = peekState(store, uuid);
    const before = appliedOf(store, node, uuid);
    // The record exists, but is not valid JSON: nothing of the network is changed.
    if (store.isUnknown(keys.network(uuid))) return true;
    if (state?.unreadable !== undefined) {
      const error = new StoreError(
        store.location,
        `the value of ${state.unreadable} is not JSON: network ${uuid} is not changed`,
      );
      this.#events.failed?.(`network ${uuid}`, error);
      const { network } = state;
      await this.#write(uuid, { present: true, network, ...before, revision, problems: { network: problemOf(error) } });
      return false;
    }
    if (state === undefined) {
      if (before === undefined) return true;
      if (before.present) await this.#reconciler.remove(before.network, []);
      this.#reconciler.forget(uuid);
      await this.#write(uuid, undefined);
      return true;
    }
    const hasNamespace = isRouter(localNode, state.network);
    const takesPart = state.members.some((member) => isOn(member, node)) || hasNamespace;
    if (!takesPart && before === undefined) return true;
    this.#context.storeGuard.writePosition();
    await this.allowPeers();
    await this.#announce(state, before);
    const isLeft = before?.present === true && !hasNamespace && isRouter(localNode, before.network);
    if (isLeft) await this.#reconciler.leave(state);
    const router = routerIn(store, state.network);
    const progress = appliedOf(store, router, uuid)?.revision ?? 0;
    const { present, problems, waits } = await this.#reconciler.apply(state, progress);
    const isDone = Object.keys(problems).length === 0;
    this.#events.reconciled?.(uuid, performance.now() - began, problems);
    // Progress is reported only when the whole revision is applied: calls wait for it.
    if (waits) {
      this.#waiting.add(uuid);
      // The router may have made progress during this run, without a further event.
      if ((appliedOf(store, router, uuid)?.revision ?? 0) > progress) this.enqueue(uuid);
    } else this.#waiting.delete(uuid);
    if (waits && isDone) return true;
    const isReported = before?.present === present && Object.keys(before.problems).length === 0;
    if (!isAwaited && isDone && isReported && !isLeft) return true;
    // The call that has moved the network waits for its former router.
    if (!takesPart && !present && isDone && !isLeft) await this.#write(uuid, undefined);
    else await this.#write(uuid, { revision, present: present || !isDone, network: state.network, problems });
    return isDone;
  }

  /**
   * Records, before anything is created, that objects of a network may be on this node. The record of the network may
   * be deleted while no agent of this node runs. The next agent then knows from this entry what to remove.
   */
  async #announce(state: NetworkState, before: Applied | undefined): Promise<void> {
    const { network } = state;
    if (before?.present === true) {
      const { localNode } = this.#context;
      const isNew = isRouter(localNode, network) && !isRouter(localNode, before.network);
      if (isSame(before.network, network) && !isNew) return;
      // The network was deleted and created again with the same UUID while no agent of this node ran.
      if (!isSame(before.network, network)) await this.#reconciler.remove(before.network, []);
    }
    if (desiredState(this.#context.localNode, state) === undefined) return;
    await this.#write(network.uuid, { revision: 0, problems: {}, ...before, present: true, network });
  }

  /** Writes or deletes the progress of this node. */
  async #write(uuid: string, applied: Applied | undefined): Promise<void> {
    const { store, node } = this.#context;
    const key = clusterKeys.appliedNetwork(node, uuid);
    const puts = applied === undefined ? [] : [{ key, value: applied }];
    await store.commit({ conditions: [], puts, deletes: applied === undefined ? [key] : [] });
  }

  /** Repairs the host itself. Retries until it succeeds or the controller is stopped. */
  async prepareHost(): Promise<void> {
    const { events } = this.#context;
    const cause = 'opening';
    const backoff = new Backoff(BACKOFF);
    for (;;) {
      try {
        await reconcileHost(this.#context, ({ description, run }) =>
          events.note({ event: 'repair', cause, detail: description }, run),
        );
        return;
      } catch (error) {
        this.#events.failed?.('host', error);
        if (this.#stopped) return;
        await backoff.wait();
      }
    }
  }
}
