import { accountProblem } from '../dnsmasq/index.js';
import { planHostRemoval } from '../plan/host.js';
import { transact } from '../store/transaction.js';
import { asOf, type Context } from './context.js';
import { DriftWatcher } from './drift-watch.js';
import { ensureNetwork } from './ensure.js';
import { lookForTrouble } from './facts.js';
import { InterfaceHandle } from './interface.js';
import { NetworkHandle } from './network.js';
import type { DriftWatch, DriftWatchOptions, EventOptions, HostEvent } from './observation.js';
import { parseDriftWatchOptions, parseEventOptions, parseNameArgument, parseReconcileOptions } from './options.js';
import { interfaceInfo, keys, type NetworkRecord, networkInfo } from './records.js';
import { findInterface, findNetwork, readInterfaces, readNetworks } from './registry.js';
import { foreigners } from './strays.js';
import type {
  CreateNetworkOptions,
  Host,
  HostInfo,
  Interface,
  InterfaceInfo,
  Network,
  NetworkInfo,
  ReconcileOptions,
} from './types.js';

/** @see Host */
export class HostHandle implements Host {
  readonly #context: Context;
  readonly #watchers: DriftWatcher[] = [];
  #info: HostInfo;

  private constructor(context: Context, info: HostInfo) {
    this.#context = context;
    this.#info = info;
    context.actions.start();
  }

  static async of(context: Context): Promise<HostHandle> {
    return new HostHandle(context, await describeHost(context));
  }

  get info(): HostInfo {
    return this.#info;
  }

  async refresh(): Promise<HostInfo> {
    this.#info = await describeHost(this.#context);
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
    const { actions, events } = this.#context;
    const subject = { event: 'network.create', cause: 'request' } as const;
    return events.note(
      subject,
      () => actions.createNetwork(options),
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

  async reconcile(options?: ReconcileOptions): Promise<string[]> {
    return this.#context.actions.reconcile({ ...parseReconcileOptions(options), cause: 'reconciliation' });
  }

  async acceptStore(): Promise<void> {
    await this.#context.events.note({ event: 'store.accepted', cause: 'request' }, () =>
      this.#context.actions.acceptStore(),
    );
  }

  async watchDrift(options?: DriftWatchOptions): Promise<DriftWatch> {
    const context = this.#context;
    const watcher = new DriftWatcher(
      {
        kernel: context.kernel,
        namespaces: async () => [context.host.netns, ...(await context.actions.namespaces())],
        repair: (signal) => context.actions.reconcile({ dryRun: false, cause: 'drift', signal }),
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
    await this.#context.events.note({ event: 'host.teardown', cause: 'request' }, () => this.#teardown());
  }

  async #teardown(): Promise<void> {
    const { actions, kernel, host, dhcp } = this.#context;
    await actions.tearDown(async () => {
      const errors = await kernel.teardown(planHostRemoval(host));
      if (errors.length > 0) throw new AggregateError(errors, 'the host could not be torn down completely');
      await dhcp.leave();
    });
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    const { actions, dhcp, reaper, kernel, store, events } = this.#context;
    await Promise.all(this.#watchers.map((watcher) => watcher.close()));
    await actions.stop();
    await dhcp.close();
    await reaper.idle();
    await kernel.close();
    await events.close();
    await store.close();
  }
}

async function describeHost(context: Context): Promise<HostInfo> {
  await context.environment.refresh();
  const { kernel, store, settings, host, facts, floating } = context;
  const [networks, interfaces, usage, warnings] = await Promise.all([
    store.list<NetworkRecord>(keys.networks),
    store.list(keys.interfaces),
    transact(store, (transaction) => floating.usage(transaction)),
    Promise.all([
      lookForTrouble(kernel, settings.netns),
      foreigners(context),
      accountProblem().then((trouble) => trouble ?? []),
    ]).then((each) => each.flat()),
  ]);
  warnings.push(...(await context.environment.warnings(networks.map(({ value }) => value))));
  const { warnings: more = [], ...told } = context.actions.describe();
  warnings.push(...more);
  return {
    egressBridge: host.egressBridge.name,
    floatingNetwork: host.floatingNetwork,
    floatingAddress: host.floatingAddress,
    egressNic: host.egressNic,
    meshNic: settings.meshNic,
    mtu: facts.mtu,
    networks: networks.length,
    interfaces: interfaces.length,
    floatingAddresses: usage,
    ...(warnings.length > 0 && { warnings }),
    ...asOf(context),
    ...told,
  };
}
