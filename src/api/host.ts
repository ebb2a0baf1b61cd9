import { isNetworkNode, isRouter } from '../desired/local-node.js';
import { accountProblem } from '../dnsmasq/index.js';
import { RemovalError } from '../errors.js';
import { asOf, type Context, routersOf } from '../host/context.js';
import { detectConflicts } from '../host/detect.js';
import type { Routers } from '../host/routers.js';
import { missingWayOut } from '../host/way-out.js';
import { createNetwork } from '../operations/create-network.js';
import { PoolKeeper } from '../operations/pool-keeper.js';
import { planHostRemoval } from '../plan/host.js';
import { DriftWatcher } from '../reconcile/drift-watcher.js';
import type { OpeningRepair } from '../reconcile/opening-repair.js';
import { foreignLinks } from '../reconcile/orphans.js';
import { reconcile, repairSome } from '../reconcile/reconcile.js';
import { readFloatingAddresses } from '../records/floating-addresses.js';
import { readPools } from '../records/pools.js';
import { findInterface, findNetwork, readInterfaces, readNetworks } from '../records/queries.js';
import { interfaceInfo, keys, type NetworkRecord, networkInfo } from '../records/records.js';
import { transact } from '../store/transaction.js';
import { rejectOnAbort } from '../util/abort.js';
import { ensureNetwork } from './ensure.js';
import { InterfaceHandle } from './interface.js';
import { NetworkHandle } from './network.js';
import {
  parseDriftWatchOptions,
  parseEventOptions,
  parseNameArgument,
  parseReconcileOptions,
  parseRemoveNodeOptions,
} from './options.js';
import { poolInfo, poolStatus } from './pool.js';
import type {
  CreateNetworkOptions,
  DriftWatch,
  DriftWatchOptions,
  EventOptions,
  FloatingAddressInfo,
  Host,
  HostEvent,
  HostInfo,
  Interface,
  InterfaceInfo,
  MigrationInfo,
  MovedNetwork,
  Network,
  NetworkInfo,
  PoolSummary,
  ReconcileOptions,
  RepairResult,
} from './types.js';

/** Implementation of `Host`. */
export class HostHandle implements Host {
  readonly #context: Context;
  readonly #watchers: DriftWatcher[] = [];
  readonly #opening: OpeningRepair | undefined;
  readonly #pools: PoolKeeper;
  #info: HostInfo;

  private constructor(context: Context, info: HostInfo, opening: OpeningRepair | undefined) {
    this.#context = context;
    this.#info = info;
    this.#opening = opening;
    context.coordinator.start();
    this.#pools = new PoolKeeper(context);
    if (context.settings.repair || context.node !== undefined) this.#pools.start();
  }

  /**
   * @param options.beginRepair begins the repair of the networks
   * @param options.snapshot the records as just read. Default: they and the properties of the host are read again
   */
  static async of(
    context: Context,
    { beginRepair, snapshot }: { beginRepair?: () => OpeningRepair; snapshot?: Records } = {},
  ): Promise<HostHandle> {
    if (snapshot === undefined) await context.environment.refresh();
    const info = await describeHost(context, snapshot ?? (await readRecords(context)));
    return new HostHandle(context, info, beginRepair?.());
  }

  get info(): HostInfo {
    return this.#info;
  }

  async refresh(): Promise<HostInfo> {
    const context = this.#context;
    await context.environment.refresh();
    const info = await describeHost(context, await readRecords(context));
    const warnings = [...(info.warnings ?? []), ...(await foreignLinks(context))];
    this.#info = { ...info, ...(warnings.length > 0 && { warnings }) };
    return this.#info;
  }

  async createNetwork(options: CreateNetworkOptions): Promise<Network> {
    return new NetworkHandle(this.#context, await this.#create(options));
  }

  async ensureNetwork(options: CreateNetworkOptions): Promise<Network> {
    const context = this.#context;
    return new NetworkHandle(context, await ensureNetwork(context, options, () => this.#create(options)));
  }

  #create(options: CreateNetworkOptions): Promise<NetworkRecord> {
    const { events } = this.#context;
    const subject = { event: 'network.create', cause: 'request' } as const;
    return events.note(
      subject,
      () => createNetwork(this.#context, options),
      ({ uuid }) => ({ network: uuid }),
    );
  }

  async getNetwork(idOrName: string): Promise<Network> {
    const wanted = parseNameArgument('idOrName', idOrName, 'the UUID or name of a network');
    return new NetworkHandle(this.#context, await findNetwork(this.#context, wanted));
  }

  async listNetworks(): Promise<NetworkInfo[]> {
    return (await readNetworks(this.#context)).map((record) => ({ ...networkInfo(record), ...asOf(this.#context) }));
  }

  async getInterface(idOrDevice: string): Promise<Interface> {
    const wanted = parseNameArgument('idOrDevice', idOrDevice, 'the UUID of an interface, or the name of its device');
    return new InterfaceHandle(this.#context, await findInterface(this.#context, wanted));
  }

  async listInterfaces(): Promise<InterfaceInfo[]> {
    return (await readInterfaces(this.#context)).map((record) => ({
      ...interfaceInfo(record),
      ...asOf(this.#context),
    }));
  }

  async listMigrations(): Promise<MigrationInfo[]> {
    return (await this.listInterfaces()).flatMap(({ migration }) => migration ?? []);
  }

  async listPools(): Promise<PoolSummary[]> {
    const pools = await readPools(this.#context);
    return Promise.all(pools.map(async (pool) => ({ ...poolInfo(pool), ...(await poolStatus(this.#context, pool)) })));
  }

  async metrics(): Promise<string> {
    // Most processes export none.
    const [{ Registry }, { hostMetrics }] = await Promise.all([import('prom-client'), import('./metrics.js')]);
    return hostMetrics(new Registry(), this);
  }

  repaired(): Promise<RepairResult[]> {
    return this.#opening?.repaired() ?? Promise.resolve([]);
  }

  async reconcile(options?: ReconcileOptions): Promise<RepairResult[]> {
    const request = parseReconcileOptions(options);
    // Both would find the same differences.
    await rejectOnAbort(this.#opening?.ended() ?? Promise.resolve(), request.signal);
    return reconcile(this.#context, { ...request, cause: 'reconciliation' });
  }

  async removeNode(name: string, options?: { detach?: boolean }): Promise<void> {
    const wanted = parseNameArgument('name', name, 'the name of a node');
    const { detach } = parseRemoveNodeOptions(options);
    const subject = { event: 'node.remove', cause: 'request', detail: wanted } as const;
    await this.#context.events.note(subject, () => this.#context.coordinator.removeNode(wanted, { detach }));
  }

  cordonNode(name: string): Promise<void> {
    return this.#aboutNode('node.cordon', name, (routers, node) => routers.cordon(node, true));
  }

  uncordonNode(name: string): Promise<void> {
    return this.#aboutNode('node.uncordon', name, (routers, node) => routers.cordon(node, false));
  }

  drainNode(name: string): Promise<MovedNetwork[]> {
    return this.#aboutNode('node.drain', name, (routers, node) => routers.drain(node));
  }

  async #aboutNode<Result>(
    event: HostEvent['event'],
    name: string,
    work: (routers: Routers, name: string) => Promise<Result>,
  ): Promise<Result> {
    const wanted = parseNameArgument('name', name, 'the name of a node');
    const subject = { event, cause: 'request', detail: wanted } as const;
    return this.#context.events.note(subject, () => work(routersOf(this.#context), wanted));
  }

  listFloatingAddresses(): Promise<FloatingAddressInfo[]> {
    return readFloatingAddresses(this.#context);
  }

  async acceptStore(): Promise<void> {
    await this.#context.events.note({ event: 'store.accepted', cause: 'request' }, () =>
      this.#context.coordinator.acceptStore(),
    );
  }

  async watchDrift(options?: DriftWatchOptions): Promise<DriftWatch> {
    const context = this.#context;
    const watcher = new DriftWatcher(
      {
        kernel: context.kernel,
        namespaces: async () => [context.host.netns, ...(await routedNetworks(context))],
        reconcile: async (signal) => {
          await this.#opening?.ended();
          return reconcile(context, { dryRun: false, cause: 'drift', signal });
        },
        reconcileNetworks: async (networks) => {
          await this.#opening?.ended();
          return repairSome(context, networks, { dryRun: false, cause: 'drift' });
        },
      },
      parseDriftWatchOptions(options),
    );
    this.#watchers.push(watcher);
    await watcher.start();
    return watcher;
  }

  events(options?: EventOptions): AsyncIterableIterator<HostEvent, undefined, undefined> {
    return this.#context.events.read(parseEventOptions(options));
  }

  drained(): Promise<void> {
    return this.#context.reaper.drained();
  }

  async teardown(): Promise<void> {
    await this.#opening?.ended();
    await this.#context.events.note({ event: 'host.teardown', cause: 'request' }, () => this.#teardown());
  }

  async #teardown(): Promise<void> {
    const { coordinator, kernel, host, dhcp } = this.#context;
    await coordinator.tearDown(async () => {
      const errors = await kernel.teardown(planHostRemoval(host));
      if (errors.length > 0) throw new RemovalError('the host', errors);
      await dhcp.removeFolder();
    });
  }

  async close(): Promise<void> {
    const { coordinator, calls, dhcp, reaper, kernel, store, events, owner } = this.#context;
    await this.#opening?.stop();
    await Promise.all(this.#watchers.map((watcher) => watcher.close()));
    await this.#pools.stop();
    await calls.idle();
    await coordinator.stop();
    await dhcp.close();
    await reaper.idle();
    await kernel.close();
    await events.close();
    await store.close();
    await owner.leave();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Returns the UUIDs of the networks whose namespaces are on this node. */
async function routedNetworks({ coordinator, localNode }: Context): Promise<string[]> {
  if (!isNetworkNode(localNode)) return [];
  const uuids = await coordinator.states.list();
  if (localNode.name === undefined) return uuids;
  const states = await Promise.all(uuids.map((uuid) => coordinator.states.get(uuid)));
  return states.flatMap((state) => (state && isRouter(localNode, state.network) ? [state.network.uuid] : []));
}

/** What is described of the records. */
export interface Records {
  networks: readonly NetworkRecord[];
  /** Number of interfaces. */
  interfaces: number;
}

/** Reads what is described of the records. */
export async function readRecords({ store }: Pick<Context, 'store'>): Promise<Records> {
  return { networks: await readNetworks({ store }), interfaces: await store.count(keys.interfaces) };
}

async function describeHost(context: Context, { networks, interfaces }: Records): Promise<HostInfo> {
  const { kernel, store, settings, host, detected } = context;
  const [usage, warnings] = await Promise.all([
    transact(store, (transaction) => context.floatingOf({ floatingPool: host.floatingPool }).usage(transaction)),
    Promise.all([
      detectConflicts(kernel, settings.netns),
      accountProblem().then((warnings) => warnings ?? []),
      missingWayOut(kernel, settings.netns).then((warnings) => warnings ?? []),
    ]).then((each) => each.flat()),
  ]);
  warnings.push(...(await context.environment.warnings(networks)));
  const { warnings: more = [], ...cluster } = context.coordinator.describe();
  warnings.push(...more);
  return {
    egressBridge: host.egressBridge.name,
    floatingNetwork: host.floatingNetwork,
    floatingAddress: host.floatingAddress,
    outboundNat: host.outboundNat,
    egressNic: host.egressNic,
    meshNic: settings.meshNic,
    mtu: detected.mtu,
    networks: networks.length,
    interfaces,
    floatingAddresses: usage,
    ...(warnings.length > 0 && { warnings }),
    ...asOf(context),
    ...cluster,
  };
}
