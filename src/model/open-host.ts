import { join } from 'node:path';
import { DnsmasqSupervisor, runtimeRoot } from '../dnsmasq/index.js';
import { ValidationError } from '../errors.js';
import { allocateIndexes, IndexAllocator } from '../ipam/ifindex.js';
import { parseNetblock } from '../ipam/netblock.js';
import { isNoNamespace } from '../kernel/ensure/observer.js';
import type { Kernel } from '../kernel/kernel.js';
import { openOwnKernel } from '../kernel/open-kernel.js';
import { deleteMarkedLinks } from '../plan/deletion.js';
import { egressBridgeName } from '../plan/names.js';
import { hasStore } from '../store/folder.js';
import { Journal } from '../store/journal.js';
import { openLmdbStore } from '../store/lmdb.js';
import type { Store } from '../store/store.js';
import { type Transaction, transact } from '../store/transaction.js';
import { refuseIfMoved } from './begin.js';
import type { Context } from './context.js';
import { Departures } from './departures.js';
import { Dhcp } from './dhcp.js';
import { Events } from './events.js';
import { type Facts, lookAtHost } from './facts.js';
import { HostHandle } from './host.js';
import { HostEnvironment, refuseOwnNetwork } from './host-environment.js';
import { settingsInForce, settingsRecord } from './host-settings.js';
import { localActions } from './local-actions.js';
import { Locks } from './lock.js';
import { localMac } from './mac.js';
import { indexOlderState } from './names.js';
import { type HostRequest, parseHostOptions, type Settings } from './options.js';
import { requirePrivileges } from './preflight.js';
import { Reaper } from './reaper.js';
import { reconcile, reconcileHost } from './reconcile.js';
import { floatingPool, type HostRecord, keys } from './records.js';
import type { Host, HostOptions } from './types.js';

/**
 * Opens a host: makes its egress bridge and what forwarding needs unless they are there, and repairs what is not as the
 * store has it. Several processes may have the same host open. Close it when done; its networks keep running.
 * @throws ValidationError, NotFoundError for a NIC that is not there, PrivilegeError, ConflictError if the state
 * folder is that of a host with other NICs or addresses, KernelError
 */
export async function openHost(options: HostOptions): Promise<Host> {
  const request = parseHostOptions(options);
  await requirePrivileges('opening a host');
  const undo: (() => Promise<void>)[] = [];
  try {
    // A new state folder is made only once it is known that the host can be: what fails leaves nothing behind.
    let store = (await hasStore(request.state)) ? await openLmdbStore(request.state) : undefined;
    if (store !== undefined) undo.push(() => (store as Store).close());
    const known = (await store?.get<HostRecord>(keys.host))?.value;
    refuseIfMoved(known);
    const { settings } = await settingsInForce(request, known, placeOf(request));
    const kernel = await openKernelIn(settings);
    undo.push(() => kernel.close());
    const facts = await lookAtHost(kernel, settings.netns, settings);
    if (known === undefined) refuseOwnNetwork(settings.floatingNetwork, facts);
    if (store === undefined) {
      const opened = await openLmdbStore(request.state);
      undo.push(() => opened.close());
      store = opened;
    }
    const events = new Events(new Journal(join(request.state, 'events')));
    undo.push(() => events.close());
    return await openWith(request, { kernel, facts, store, events });
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
}

const placeOf = ({ state }: HostRequest) => `the state folder ${state}`;

export async function openKernelIn({ netns }: Pick<Settings, 'netns'>): Promise<Kernel> {
  try {
    const kernel = openOwnKernel(netns);
    if (netns !== undefined) await kernel.query('namespace.get', { netns });
    return kernel;
  } catch (error) {
    if (!isNoNamespace(error)) throw error;
    throw new ValidationError('netns', netns, 'a network namespace that exists: a name, a path or a process id');
  }
}

async function openWith(
  request: HostRequest,
  { kernel, facts, store, events }: { kernel: Kernel; facts: Facts; store: Store; events: Events },
): Promise<Host> {
  const { record, settings, isNew, changed } = await rememberHost(store, request);
  const environment = new HostEnvironment(kernel, store, { record, settings, facts });
  const supervisor = new DnsmasqSupervisor(kernel, {
    root: await runtimeRoot(settings.state),
    onEvent: events.supervised,
  });
  const context: Context = {
    kernel,
    store,
    environment,
    get settings() {
      return environment.settings;
    },
    get facts() {
      return environment.facts;
    },
    get host() {
      return environment.host;
    },
    indexes: new IndexAllocator(store),
    locks: new Locks(),
    reaper: new Reaper(() => kernel.teardown(deleteMarkedLinks(settings.netns), { lane: 'reaper' })),
    dhcp: new Dhcp(supervisor, store, () => environment.settings),
    events,
    floating: floatingPool(settings.floatingNetwork),
    departures: new Departures(),
    actions: localActions(() => context),
  };
  try {
    const subject = { event: 'host.init', cause: 'request' } as const;
    if (isNew) await reconcileHost(context, ({ carryOut }) => events.note(subject, carryOut));
  } catch (error) {
    // The kernel is as before: only what was remembered is left.
    if (isNew) await transact(store, async (transaction) => transaction.delete(keys.host));
    throw error;
  }
  if (changed.length > 0) {
    const detail = changed.map((field) => `${field}: ${JSON.stringify(settings[field as keyof Settings])}`).join(', ');
    await events.note({ event: 'host.settings', cause: 'request', detail }, async () => undefined);
  }
  if (settings.repair || changed.length > 0) {
    await reconcile(context, { dryRun: false, cause: 'opening', onProgress: settings.onProgress });
  }
  return HostHandle.of(context);
}

/** The host of this state folder: the one that is remembered, or a new one. Changed settings are remembered. */
async function rememberHost(
  store: Store,
  request: HostRequest,
): Promise<{ record: HostRecord; settings: Settings; isNew: boolean; changed: string[] }> {
  return transact(store, async (transaction) => {
    const known = await transaction.get<HostRecord>(keys.host);
    refuseIfMoved(known);
    await indexOlderState(transaction);
    const { settings, changed } = await settingsInForce(request, known, placeOf(request));
    const record = { ...(known ?? (await newHost(transaction, settings))), ...settingsRecord(settings) };
    if (JSON.stringify(record) !== JSON.stringify(known)) transaction.put(keys.host, record);
    return { record, settings, isNew: known === undefined, changed };
  });
}

/** What of a host's record is chosen once. */
export async function newHost(
  transaction: Transaction,
  wish: Pick<Settings, 'egressNic' | 'floatingNetwork' | 'vxlanPort' | 'outboundNat'>,
): Promise<HostRecord> {
  const { egressNic, floatingNetwork, vxlanPort, outboundNat } = wish;
  const [index] = (await allocateIndexes(transaction, 1)) as [number];
  return {
    egressNic,
    egressBridge: { name: egressBridgeName(egressNic), index, mac: localMac() },
    floatingNetwork,
    floatingAddress: parseNetblock('floatingNetwork', floatingNetwork).gateway,
    outboundNat,
    vxlanPort,
  };
}
