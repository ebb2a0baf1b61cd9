import { claim, hasEnded } from '../records/claim.js';
import type { ClusterStore, LeasedEntry } from '../store/etcd/cluster-store.js';
import { clusterKeys } from './keys.js';
import type { NodeRecord } from './types.js';

const RETRY_MS = 1000;

/**
 * Nodes of the cluster, as they last told of themselves, whether their agents are heard of or not. What nodes do for each
 * other's instances follows from this: an agent's death, or the loss of the store, is not that of its node.
 */
export const nodesIn = (store: ClusterStore): NodeRecord[] =>
  store.peekList<NodeRecord>(clusterKeys.knownNodes).map(({ value }) => value);

/** Nodes whose agents are heard of by now. For who waits for answers, and to be told. */
export const membersIn = (store: ClusterStore): NodeRecord[] =>
  store.peekList<NodeRecord>(clusterKeys.nodes).map(({ value }) => value);

/** True if a process is a node's agent, as far as that is known. */
export const isTaken = ({ vacant, claim }: NodeRecord): boolean => vacant !== true && !hasEnded(claim);

/**
 * The election of a node's agent: one process of the node is its leader, and writes to the node's kernel; others wait, and
 * take over when it ends.
 */
export class Membership {
  readonly #store: ClusterStore;
  readonly #record: NodeRecord;
  readonly #ttl: number;
  readonly #onLeadership: (isLeader: boolean) => void;
  #held: LeasedEntry | undefined;
  #closed = false;
  /** The store may not know the node any more, though it has not left its cluster. */
  #mustRegister = false;
  #wake: () => void = () => undefined;
  #work: Promise<void> = Promise.resolve();

  /**
   * @param options.ttl time for which an agent stays leader that is not heard of, in milliseconds
   * @param options.onLeadership called when this process becomes leader, and when it is it no more
   */
  constructor(
    store: ClusterStore,
    self: Omit<NodeRecord, 'claim' | 'vacant'>,
    { ttl, onLeadership }: { ttl: number; onLeadership: (isLeader: boolean) => void },
  ) {
    this.#store = store;
    this.#record = { ...self, claim: claim(self.name) };
    this.#ttl = ttl;
    this.#onLeadership = onLeadership;
  }

  get isLeader(): boolean {
    return this.#held !== undefined;
  }

  /** Resolves once it is known who leads. */
  async join(): Promise<void> {
    const { name } = this.#record;
    await this.#attempt();
    const unsubscribe = this.#store.onChange((changes) => {
      if (changes.some(({ key }) => key === clusterKeys.node(name))) this.#wake();
    });
    this.#work = this.#campaign().finally(unsubscribe);
  }

  /** The store has lost what came last: this node may be among it. */
  register(): void {
    this.#mustRegister = true;
    this.#wake();
  }

  /** Ends the leadership. The node stays a member until its lease expires; with `forget` it is none at once. */
  async leave({ forget }: { forget: boolean }): Promise<void> {
    this.#closed = true;
    this.#wake();
    await this.#work;
    if (!forget) await this.#held?.update({ ...this.#record, vacant: true }).catch(() => undefined);
    await this.#held?.release({ remove: forget });
    this.#held = undefined;
  }

  async #campaign(): Promise<void> {
    while (!this.#closed) {
      if (this.#held === undefined) await this.#succeed().catch(() => undefined);
      if (this.#closed) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, RETRY_MS);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      if (this.#held !== undefined && this.#mustRegister) await this.#register().catch(() => undefined);
      // Taken from us while the server was away, or by somebody who thought us dead.
      if (this.#held !== undefined && !this.#isOurs()) this.#lose();
    }
  }

  #isOurs(): boolean {
    const there = this.#store.peek<NodeRecord>(clusterKeys.node(this.#record.name))?.value;
    const { pid, started } = this.#record.claim;
    return there?.claim.pid === pid && there.claim.started === started;
  }

  /** Becomes leader if there is none, unless the node has left its cluster. */
  async #succeed(): Promise<void> {
    const known = await this.#store.get(clusterKeys.knownNode(this.#record.name));
    if (known !== undefined || this.#mustRegister) await this.#attempt();
  }

  async #register(): Promise<void> {
    const key = clusterKeys.knownNode(this.#record.name);
    await this.#store.commit({ conditions: [], puts: [{ key, value: this.#record }], deletes: [] });
    this.#mustRegister = false;
  }

  async #attempt(): Promise<void> {
    const { name } = this.#record;
    const key = clusterKeys.node(name);
    const there = await this.#store.get<NodeRecord>(key);
    if (this.#store.outdatedSince !== undefined) return;
    if (there !== undefined && isTaken(there.value)) return;
    const held = await this.#store.putWithLease(key, this.#record, { ttl: this.#ttl, version: there?.version ?? 0 });
    if (held === undefined) return;
    await this.#register();
    this.#held = held;
    held.onLost(() => this.#lose());
    this.#onLeadership(true);
  }

  #lose(): void {
    if (this.#held === undefined) return;
    void this.#held.release();
    this.#held = undefined;
    this.#onLeadership(false);
    this.#wake();
  }
}
