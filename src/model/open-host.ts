import { join } from 'node:path';
import { DnsmasqSupervisor, runtimeRoot } from '../dnsmasq/index.js';
import { ConflictError, ValidationError } from '../errors.js';
import { IndexAllocator, takeIndexes } from '../ipam/ifindex.js';
import { parseNetblock } from '../ipam/netblock.js';
import { isNoNamespace } from '../kernel/ensure/observer.js';
import { openKernel } from '../kernel/index.js';
import type { Kernel } from '../kernel/kernel.js';
import { egressBridgeName } from '../plan/names.js';
import { reap } from '../plan/retire.js';
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
import { localActions } from './local-actions.js';
import { Locks } from './lock.js';
import { localMac } from './mac.js';
import { indexOlderState } from './names.js';
import { parseHostOptions, type Settings } from './options.js';
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
  const settings = await parseHostOptions(options);
  await requirePrivileges('opening a host');
  const kernel = await openKernelIn(settings);
  try {
    const facts = await lookAtHost(kernel, settings.netns, settings);
    const store = await openLmdbStore(settings.state);
    const events = new Events(new Journal(join(settings.state, 'events')));
    try {
      return await openWith(settings, { kernel, facts, store, events });
    } catch (error) {
      await events.close();
      await store.close();
      throw error;
    }
  } catch (error) {
    await kernel.close();
    throw error;
  }
}

export async function openKernelIn({ netns }: Pick<Settings, 'netns'>): Promise<Kernel> {
  try {
    const kernel = openKernel({ home: netns });
    if (netns !== undefined) await kernel.query('namespace.get', { netns });
    return kernel;
  } catch (error) {
    if (!isNoNamespace(error)) throw error;
    throw new ValidationError('netns', netns, 'a network namespace that exists: a name, a path or a process id');
  }
}

async function openWith(
  settings: Settings,
  { kernel, facts, store, events }: { kernel: Kernel; facts: Facts; store: Store; events: Events },
): Promise<Host> {
  const { record, isNew } = await transact(store, (transaction) => rememberHost(transaction, settings));
  const supervisor = new DnsmasqSupervisor(kernel, {
    root: await runtimeRoot(settings.state),
    onEvent: events.supervised,
  });
  const context: Context = {
    settings,
    kernel,
    store,
    facts,
    indexes: new IndexAllocator(store),
    locks: new Locks(),
    reaper: new Reaper(() => kernel.teardown(reap(settings.netns), { lane: 'reaper' })),
    dhcp: new Dhcp(supervisor, store, settings),
    events,
    floating: floatingPool(settings.floatingNetwork),
    departures: new Departures(),
    actions: localActions(() => context),
    host: {
      ...record,
      netns: settings.netns,
      meshNic: settings.meshNic === settings.egressNic ? undefined : settings.meshNic,
      egressMtu: facts.egressMtu,
      disableBridgeNetfilter: settings.disableBridgeNetfilter && facts.bridgeNetfilter,
    },
  };
  try {
    const subject = { event: 'host.init', cause: 'request' } as const;
    if (isNew) await reconcileHost(context, ({ carryOut }) => events.note(subject, carryOut));
  } catch (error) {
    // The kernel is as before: only what was remembered is left.
    if (isNew) await transact(store, async (transaction) => transaction.delete(keys.host));
    throw error;
  }
  if (settings.repair) {
    await reconcile(context, { dryRun: false, cause: 'opening', onProgress: settings.onProgress });
  }
  return HostHandle.of(context);
}

/** The host of this state folder: the one that is remembered, or a new one. */
async function rememberHost(
  transaction: Transaction,
  settings: Settings,
): Promise<{ record: HostRecord; isNew: boolean }> {
  const { egressNic, floatingNetwork, vxlanPort, outboundNat } = settings;
  const known = await transaction.get<HostRecord>(keys.host);
  if (known !== undefined) refuseIfMoved(known);
  await indexOlderState(transaction);
  if (known === undefined) {
    const [index] = (await takeIndexes(transaction, 1)) as [number];
    const record: HostRecord = {
      egressNic,
      egressBridge: { name: egressBridgeName(egressNic), index, mac: localMac() },
      floatingNetwork,
      floatingAddress: parseNetblock('floatingNetwork', floatingNetwork).gateway,
      outboundNat,
      vxlanPort,
    };
    transaction.create(keys.host, record);
    return { record, isNew: true };
  }
  for (const [field, value] of Object.entries({ egressNic, floatingNetwork, vxlanPort })) {
    const before = known[field as keyof HostRecord];
    if (before !== value) {
      throw new ConflictError(`${field} is ${before} in the state folder ${settings.state}, so it can't be ${value}`);
    }
  }
  const record = { ...known, outboundNat };
  if (known.outboundNat !== outboundNat) transaction.put(keys.host, record);
  return { record, isNew: false };
}
