import type { NetworkState } from '../desired/network-state.js';
import { ConflictError } from '../errors.js';
import { removeResources } from '../host/apply.js';
import { type Context, teardown } from '../host/context.js';
import type { Coordinator, Creation, NetworkStates, Removal, Snapshot } from '../host/coordinator.js';
import type { Operation } from '../kernel/operation.js';
import { refuseIfMigrated, transactUnlessMigrated } from '../records/migration.js';
import { readMembers, readNetwork, readNetworks, requireNoNetworks } from '../records/queries.js';
import { type HostRecord, type InterfaceRecord, keys, type NetworkRecord } from '../records/records.js';
import type { Store } from '../store/store.js';
import { type Transaction, transact } from '../store/transaction.js';
import { attachLimit } from './attach-limit.js';

/** The coordinator of a lone host: the calling process applies its changes. */
export class Standalone implements Coordinator {
  readonly states: NetworkStates;
  readonly membersPerCommit = Number.POSITIVE_INFINITY;
  readonly mayRemoveOrphans = true;
  readonly #context: () => Context;
  readonly #stopping = new AbortController();
  #adoption: Promise<void> = Promise.resolve();

  constructor(context: () => Context, store: Store) {
    this.#context = context;
    this.states = storedStates(store);
  }

  get mtu(): number {
    return this.#context().detected.mtu;
  }

  requireWritable(): void {}

  async commit<Result>(
    body: (transaction: Transaction) => Promise<Result>,
  ): Promise<{ result: Result; revision: number }> {
    return { result: await transactUnlessMigrated(this.#context().store, body), revision: 0 };
  }

  async nodeNames(): Promise<string[]> {
    return [];
  }

  /** Meanwhile the reservation is flushed: it is on disk before the call returns. */
  async apply({ network, resources, nic, lane, signal }: Creation): Promise<void> {
    const { dhcp, kernel, store } = this.#context();
    const flushed = store.flush();
    flushed.catch(() => undefined);
    const asksDhcp = nic !== undefined && !isConfigured(nic);
    // Before the link is up: the instance may send a DHCP request at once.
    if (asksDhcp) await attachLimit.runReleased(() => dhcp.reserve(network, nic));
    const plan = resources.flatMap((resource) => resource.plan());
    const isServed = resources.some(({ kind }) => kind === 'network') && dhcp.serves(network);
    const options = { signal, ...(lane !== undefined && { lane }) };
    const [applied, reserved] = await Promise.allSettled([
      isServed ? this.#createServed({ network, resources, signal }, plan) : kernel.transaction(plan, options),
      // An instance that is configured has its address. It need be able to use DHCP only when the call returns.
      nic !== undefined && !asksDhcp ? dhcp.reserve(network, nic) : undefined,
    ]);
    if (applied.status === 'rejected') throw applied.reason;
    try {
      if (reserved.status === 'rejected') throw reserved.reason;
      signal?.throwIfAborted();
      await flushed;
    } catch (error) {
      await removeResources(this.#context(), network, { resources, members: nic === undefined ? [] : [nic] });
      throw error;
    }
  }

  /**
   * Creates a network while its dnsmasq starts: most of the start is the execution of the program. dnsmasq needs the
   * namespace, and to listen for DNS also the gateway's address. For DHCP it looks at its device when a packet arrives.
   */
  async #createServed(
    { network, resources, signal }: Pick<Creation, 'network' | 'resources' | 'signal'>,
    plan: readonly Operation[],
  ): Promise<void> {
    const context = this.#context();
    const { dhcp, kernel } = context;
    const [first, rest] = network.provideDns ? [plan, []] : [plan.slice(0, 1), plan.slice(1)];
    const ready = kernel.transaction(first, { signal });
    const [begun, created, served] = await Promise.allSettled([
      ready,
      ready.then(() => (rest.length === 0 ? undefined : kernel.transaction(rest, { signal }))),
      dhcp.start(network, ready),
    ]);
    if (created.status === 'fulfilled' && served.status === 'fulfilled') return;
    if (created.status === 'fulfilled') {
      await removeResources(context, network, { resources, members: [] });
    } else {
      // The kernel is as before the transaction that failed. dnsmasq first: it keeps its namespace alive.
      await dhcp.stop(network).catch(() => undefined);
      if (begun.status === 'fulfilled') await teardown(context, [{ op: 'namespace.delete', name: network.uuid }]);
    }
    throw created.status === 'rejected' ? created.reason : (served as PromiseRejectedResult).reason;
  }

  readonly isActive = true;

  changesPort(): boolean {
    return true;
  }

  async applied(): Promise<void> {}

  /** Meanwhile the mark for deletion is flushed: after a failure of the machine, the removal is finished. */
  async remove({ network, resources, members, isCreated = true }: Removal): Promise<Error[]> {
    const context = this.#context();
    const [flushed, errors] = await Promise.all([
      context.store.flush().then(
        () => [],
        (error: Error) => [error],
      ),
      removeResources(context, network, { resources: isCreated ? resources : [], members }),
    ]);
    return [...errors, ...flushed];
  }

  exclusive<Result>(network: string, work: () => Promise<Result>): Promise<Result> {
    return this.#context().locks.exclusive(network, work);
  }

  async beforeReconcile(): Promise<void> {
    refuseIfMigrated((await this.#context().store.get<HostRecord>(keys.host))?.value);
  }

  recovers(): boolean {
    return true;
  }

  async removeNode(): Promise<never> {
    throw new ConflictError('this host is not a node of a cluster');
  }

  async requireNode(): Promise<never> {
    throw new ConflictError('this host is not a node of a cluster');
  }

  async switchInterface(): Promise<never> {
    throw new ConflictError('this host is not a node of a cluster');
  }

  async acceptStore(): Promise<never> {
    throw new ConflictError('only the store of a cluster can be accepted, and this is a lone host');
  }

  describe() {
    return {};
  }

  asOf(): undefined {
    return undefined;
  }

  async tearDown(remove: () => Promise<void>): Promise<void> {
    const { store } = this.#context();
    await transactUnlessMigrated(store, requireNoNetworks);
    await remove();
    await transact(store, async (transaction) => transaction.delete(keys.host));
    await store.flush();
  }

  start(): void {
    if (this.#context().settings.repair) this.#adoption = this.#adoptAll();
  }

  stop(): Promise<void> {
    this.#stopping.abort();
    return this.#adoption;
  }

  /** Starts the supervision of each dnsmasq, one after the other, until `stop` is called. */
  async #adoptAll(): Promise<void> {
    const { locks, dhcp, store } = this.#context();
    for (const { uuid } of await readNetworks({ store })) {
      if (this.#stopping.signal.aborted) return;
      await locks.shared(uuid, async () => {
        const state = await this.states.get(uuid);
        // The supervisor reports the error and retries.
        if (state?.network.state === 'created') await dhcp.start(state.network).catch(() => undefined);
      });
    }
  }
}

/** True for a container that vethwork gives its address and route. */
const isConfigured = ({ attachment }: InterfaceRecord) => attachment.kind === 'veth' && attachment.configure;

function storedStates(store: Store): NetworkStates {
  const get = async (uuid: string): Promise<NetworkState | undefined> => {
    const network = await readNetwork({ store }, uuid).catch(() => undefined);
    return network && { network, members: await readMembers({ store }, uuid) };
  };
  return {
    get,
    list: async () => (await readNetworks({ store })).map(({ uuid }) => uuid),
    all: async (): Promise<Snapshot> => {
      const [networks, interfaces] = await Promise.all([
        store.list<NetworkRecord>(keys.networks),
        store.list<InterfaceRecord>(keys.interfaces),
      ]);
      const records = interfaces.map(({ value }) => value);
      const members = new Map<string, InterfaceRecord[]>();
      for (const record of records) {
        const known = members.get(record.network);
        if (known === undefined) members.set(record.network, [record]);
        else known.push(record);
      }
      return {
        states: new Map(
          networks.map(({ value }) => [value.uuid, { network: value, members: members.get(value.uuid) ?? [] }]),
        ),
        interfaces: records,
      };
    },
  };
}
