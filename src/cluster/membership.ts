import type { Owner } from '../records/owner.js';
import type { ClusterStore, LeasedEntry } from '../store/etcd/cluster-store.js';
import { clusterKeys } from './keys.js';
import type { NodeRecord } from './types.js';

/** Interval of attempts to become leader, in milliseconds. */
const RETRY_MS = 1000;

/**
 * Returns all nodes of the cluster, members or not. The mesh and the mesh filter are computed from this list: instances
 * of a node keep running when its agent ends or cannot reach the store.
 */
export const nodesIn = (store: ClusterStore): NodeRecord[] =>
  store.peekList<NodeRecord>(clusterKeys.knownNodes).map(({ value }) => value);

/** Returns the members: the nodes whose agent has a valid lease. Calls wait only for members. */
export const membersIn = (store: ClusterStore): NodeRecord[] =>
  store.peekList<NodeRecord>(clusterKeys.nodes).map(({ value }) => value);

/** True if a process holds the leadership of a node. A process on another machine is assumed to run. */
export const hasLeader = ({ vacant, claim }: NodeRecord, self: Owner): boolean =>
  vacant !== true && !self.hasEnded(claim);

/**
 * Leader election among the processes of a node. The leader is the agent of the node: only it writes to the kernel of
 * the node. The other processes wait, and one takes over when the leader ends.
 */
export class Membership {
  readonly #store: ClusterStore;
  readonly #owner: Owner;
  #record: NodeRecord;
  readonly #ttl: number;
  readonly #onLeadership: (isLeader: boolean) => void;
  #held: LeasedEntry | undefined;
  #closed = false;
  /** The store may have lost the record of the node, although the node has not left the cluster. */
  #mustRegister = false;
  #wake: () => void = () => undefined;
  #work: Promise<void> = Promise.resolve();

  /**
   * @param options.ttl time to live of the lease, in milliseconds
   * @param options.onLeadership called when this process becomes leader, and when it loses the leadership
   */
  constructor(
    store: ClusterStore,
    self: Omit<NodeRecord, 'claim' | 'vacant'>,
    { owner, ttl, onLeadership }: { owner: Owner; ttl: number; onLeadership: (isLeader: boolean) => void },
  ) {
    this.#store = store;
    this.#record = { ...self, claim: owner.claim() };
    this.#owner = owner;
    this.#ttl = ttl;
    this.#onLeadership = onLeadership;
  }

  get isLeader(): boolean {
    return this.#held !== undefined;
  }

  /** Joins the election. Resolves after the first attempt to become leader. */
  async join(): Promise<void> {
    const { name } = this.#record;
    await this.#attempt();
    const unsubscribe = this.#store.onChange((changes) => {
      if (changes.some(({ key }) => key === clusterKeys.node(name))) this.#wake();
    });
    this.#work = this.#campaign().finally(unsubscribe);
  }

  /** Changes properties of the node that others use. The leader writes them. */
  async update(self: Omit<NodeRecord, 'claim' | 'vacant'>): Promise<void> {
    this.#record = { ...self, claim: this.#record.claim };
    if (this.#held === undefined) return;
    await this.#register();
    await this.#held.update(this.#record);
  }

  /** Writes the record of the node again: the store may have lost it. */
  register(): void {
    this.#mustRegister = true;
    this.#wake();
  }

  /** Ends the leadership. The node stays a member until its lease expires; with `forget` it is removed at once. */
  async leave({ forget }: { forget: boolean }): Promise<void> {
    this.#closed = true;
    this.#wake();
    await this.#work;
    if (!forget) await this.#held?.update({ ...this.#record, vacant: true }).catch(() => undefined);
    await this.#held?.release({ remove: forget });
    this.#held = undefined;
  }

  /** Keeps trying to lead, and checks that this process still leads. */
  async #campaign(): Promise<void> {
    while (!this.#closed) {
      if (this.#held === undefined) await this.#tryToLead().catch(() => undefined);
      if (this.#closed) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, RETRY_MS);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      if (this.#held !== undefined && this.#mustRegister) await this.#register().catch(() => undefined);
      // Another process has taken the leadership: the lease expired, or the store was restored.
      if (this.#held !== undefined && !this.#isOurs()) this.#lose();
    }
  }

  /** True if the member record in the store is that of this process. */
  #isOurs(): boolean {
    const there = this.#store.peek<NodeRecord>(clusterKeys.node(this.#record.name))?.value;
    return there !== undefined && this.#owner.isOwn(there.claim);
  }

  /** As `#attempt`, unless the node has left the cluster. */
  async #tryToLead(): Promise<void> {
    const known = await this.#store.get(clusterKeys.knownNode(this.#record.name));
    if (known !== undefined || this.#mustRegister) await this.#attempt();
  }

  /** Writes the permanent record of the node. */
  async #register(): Promise<void> {
    const key = clusterKeys.knownNode(this.#record.name);
    await this.#store.commit({ conditions: [], puts: [{ key, value: this.#record }], deletes: [] });
    this.#mustRegister = false;
  }

  /** Becomes leader if there is none. */
  async #attempt(): Promise<void> {
    const { name } = this.#record;
    const key = clusterKeys.node(name);
    const there = await this.#store.get<NodeRecord>(key);
    if (this.#store.outdatedSince !== undefined) return;
    // After an outage, the lease that this process has lost may not have expired yet.
    const isOurs = there !== undefined && this.#owner.isOwn(there.value.claim);
    if (there !== undefined && !isOurs && hasLeader(there.value, this.#owner)) return;
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
