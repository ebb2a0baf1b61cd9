import { setTimeout as delay } from 'node:timers/promises';
import pLimit from 'p-limit';
import { StoreError } from '../errors.js';
import { noting, reconcileHost } from '../model/reconcile.js';
import { type InterfaceRecord, keys, type NetworkRecord } from '../model/records.js';
import type { Scope } from '../model/wishes.js';
import { Absences } from './abandoned.js';
import { Leavings } from './calls.js';
import { clusterKeys } from './keys.js';
import { lossIn } from './loss.js';
import { membersIn } from './membership.js';
import { admitPeers } from './peers.js';
import { problemOf, Realiser } from './realiser.js';
import { appliedOf, concernedBy, peekScope } from './records.js';
import type { Applied, ClusterContext } from './types.js';

/** Networks that are worked on at the same time. */
const AT_ONCE = 8;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

/** Two networks may have the same UUID, one after the other; their links have not. */
const isSame = (left: NetworkRecord, right: NetworkRecord) => left.vxlan === right.vxlan;

/** What the agent tells of its work. */
export interface WorkerEvents {
  reconciled?: (network: string, milliseconds: number, problems: Applied['problems']) => void;
  failed?: (what: string, error: unknown) => void;
}

/**
 * Does a node's part of every network, as the store changes. What changes while a network is being worked on is done
 * with the next round, however much it is; what fails is tried again, ever more rarely.
 */
export class Worker {
  readonly #context: ClusterContext;
  readonly #events: WorkerEvents;
  readonly #realiser: Realiser;
  readonly #limit = pLimit(AT_ONCE);
  /** Whether somebody may wait to hear of it, by network. */
  readonly #due = new Map<string, boolean>();
  /** Networks with something that waits for the network node. */
  readonly #early = new Set<string>();
  readonly #busy = new Map<string, Promise<void>>();
  readonly #failures = new Map<string, number>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #absences = new Absences();
  readonly leavings = new Leavings();
  #admission: Promise<void> = Promise.resolve();
  #admissionIsDue = true;
  #unsubscribe: (() => void) | undefined;
  #stopped = true;

  constructor(context: ClusterContext, events: WorkerEvents = {}) {
    this.#context = context;
    this.#events = events;
    this.#realiser = new Realiser(context);
  }

  get realiser(): Realiser {
    return this.#realiser;
  }

  /** Networks that are not done by now. */
  get backlog(): number {
    return new Set([...this.#due.keys(), ...this.#busy.keys()]).size;
  }

  /** Networks that could not be done completely. */
  get failing(): number {
    return this.#failures.size;
  }

  start(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#realiser.forgetAll();
    this.#admissionIsDue = true;
    const { store, node, networkNode } = this.#context;
    this.#unsubscribe = store.onChange((changes) => {
      const loss = lossIn(changes, this.#context);
      if (loss !== undefined) return this.#context.caution.raise(loss);
      const { networks, progress, own, nodes } = concernedBy(changes, { node, networkNode });
      if (nodes) {
        this.#admissionIsDue = true;
        this.admit().catch((error) => this.#events.failed?.('admission of nodes', error));
        for (const uuid of this.networks()) this.touch(uuid, false);
      }
      for (const uuid of progress) if (this.#early.has(uuid)) this.touch(uuid);
      for (const uuid of networks) this.touch(uuid);
      // The last words of a predecessor that was thought dead.
      for (const uuid of own) if (peekScope(store, uuid) === undefined) this.touch(uuid, false);
    });
    for (const uuid of this.networks()) this.touch(uuid);
  }

  /** Ends with the work that is under way. Networks stay as they are. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unsubscribe?.();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#due.clear();
    await Promise.all(this.#busy.values());
  }

  /** True if a node has not been heard of for long. */
  readonly isGone = (node: string): boolean => this.#absences.isGone(node, membersIn(this.#context.store));

  /** Networks that this node has, or is to have, something of. */
  networks(): string[] {
    const { store, node, role } = this.#context;
    const applied = clusterKeys.applied(node);
    const own = store.peekList(applied).map(({ key }) => key.slice(applied.length));
    if (role === 'network') own.push(...store.peekList('network/').map(({ key }) => key.slice('network/'.length)));
    const local = store.peekList<InterfaceRecord>('interface/').filter(({ value }) => value.node === node);
    return [...new Set([...own, ...local.map(({ value }) => value.network)])];
  }

  /** The network is to be looked at. */
  touch(uuid: string, isAwaited = true): void {
    if (this.#stopped) return;
    this.#due.set(uuid, isAwaited || this.#due.get(uuid) === true);
    if (!this.#busy.has(uuid))
      this.#busy.set(
        uuid,
        this.#limit(() => this.#run(uuid)),
      );
  }

  /** Does the work on one network while nothing else is done to it. */
  async alone<Result>(uuid: string, work: () => Promise<Result>): Promise<Result> {
    while (this.#busy.has(uuid)) await this.#busy.get(uuid);
    const result = work();
    const settled = result.then(
      () => undefined,
      () => undefined,
    );
    this.#busy.set(
      uuid,
      settled.then(() => {
        this.#busy.delete(uuid);
        const isAwaited = this.#due.get(uuid);
        if (isAwaited !== undefined) this.touch(uuid, isAwaited);
      }),
    );
    return result;
  }

  /** Lets new nodes send to this one, before it says that it has a network which they are in. What fails is tried again. */
  admit(): Promise<void> {
    const admit = async () => {
      if (!this.#admissionIsDue || this.#stopped) return;
      this.#admissionIsDue = false;
      try {
        await admitPeers(this.#context);
      } catch (error) {
        this.#admissionIsDue = true;
        throw error;
      }
    };
    this.#admission = this.#admission.then(admit, admit);
    return this.#admission;
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#busy.size > 0) await Promise.all(this.#busy.values());
  }

  async #run(uuid: string): Promise<void> {
    for (
      let isAwaited = this.#due.get(uuid);
      isAwaited !== undefined && !this.#stopped;
      isAwaited = this.#due.get(uuid)
    ) {
      this.#due.delete(uuid);
      try {
        const isDone = await this.#look(uuid, isAwaited);
        if (isDone) this.#failures.delete(uuid);
        else this.#later(uuid);
      } catch (error) {
        this.#events.failed?.(`network ${uuid}`, error);
        this.#later(uuid);
      }
    }
    this.#busy.delete(uuid);
  }

  #later(uuid: string): void {
    const failures = (this.#failures.get(uuid) ?? 0) + 1;
    this.#failures.set(uuid, failures);
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), LONGEST_PAUSE_MS);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.touch(uuid);
    }, pause);
    this.#timers.add(timer);
  }

  /** False if something could not be done. */
  async #look(uuid: string, isAwaited: boolean): Promise<boolean> {
    const { store, node, networkNode } = this.#context;
    const began = performance.now();
    const { revision } = store;
    const scope = peekScope(store, uuid);
    const before = appliedOf(store, node, uuid);
    // Its record is there, whatever it says.
    if (store.isUnknown(keys.network(uuid))) return true;
    if (scope?.unknown !== undefined) {
      const error = new StoreError(
        store.location,
        `the value of ${scope.unknown} is not JSON: network ${uuid} is left alone`,
      );
      this.#events.failed?.(`network ${uuid}`, error);
      const { network } = scope;
      await this.#write(uuid, { present: true, network, ...before, revision, problems: { network: problemOf(error) } });
      return false;
    }
    if (scope === undefined) {
      if (before === undefined) return true;
      if (before.present) await this.#realiser.remove(before.network, []);
      this.#realiser.forget(uuid);
      await this.#write(uuid, undefined);
      return true;
    }
    const isConcerned = scope.members.some((member) => member.node === node) || node === networkNode;
    if (!isConcerned && before === undefined) return true;
    await Promise.all([this.admit(), this.#context.caution.note()]);
    await this.#announce(scope, before);
    const progress = appliedOf(store, networkNode, uuid)?.revision ?? 0;
    const { present, problems, waits } = await this.#realiser.realise(scope, progress);
    const isDone = Object.keys(problems).length === 0;
    this.#events.reconciled?.(uuid, performance.now() - began, problems);
    // Whoever waits for this node waits until everything of a revision is done.
    if (waits) {
      this.#early.add(uuid);
      // What came while this was at work was not waited for yet.
      if ((appliedOf(store, networkNode, uuid)?.revision ?? 0) > progress) this.touch(uuid);
    } else this.#early.delete(uuid);
    if (waits && isDone) return true;
    if (!isAwaited && isDone && before?.present === present) return true;
    if (!isConcerned && !present && isDone) await this.#write(uuid, undefined);
    else await this.#write(uuid, { revision, present: present || !isDone, network: scope.network, problems });
    return isDone;
  }

  /**
   * Nothing is made before it is recorded that it may be there: the network's own record may go while this node is not
   * heard of, and whoever is this node's agent next has to know what to remove then.
   */
  async #announce(scope: Scope, before: Applied | undefined): Promise<void> {
    const { network } = scope;
    if (before?.present === true) {
      if (isSame(before.network, network)) return;
      // Made while this node was away, after another of its name had gone.
      await this.#realiser.remove(before.network, []);
    }
    if (this.#realiser.part(scope) === undefined) return;
    await this.#write(network.uuid, { revision: 0, problems: {}, ...before, present: true, network });
  }

  async #write(uuid: string, applied: Applied | undefined): Promise<void> {
    const { store, node } = this.#context;
    const key = clusterKeys.appliedNetwork(node, uuid);
    const puts = applied === undefined ? [] : [{ key, value: applied }];
    await store.commit({ conditions: [], puts, deletes: applied === undefined ? [key] : [] });
  }

  /** The host itself, tried until it is right. */
  async prepareHost(): Promise<void> {
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      try {
        return await reconcileHost(this.#context, noting(this.#context, { dryRun: false, cause: 'opening' })());
      } catch (error) {
        this.#events.failed?.('host', error);
        if (this.#stopped) return;
        await delay(pause);
      }
    }
  }
}
