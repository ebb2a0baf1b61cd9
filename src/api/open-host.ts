import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { NodeEvents } from '../cluster/node.js';
import type { OpenedNode as ClusterNode } from '../cluster/open.js';
import type { ClusterHostOptions } from '../cluster/options.js';
import { runtimeRoot } from '../dnsmasq/index.js';
import { assembleContext } from '../host/assemble.js';
import type { Context } from '../host/context.js';
import { type DetectedHost, detectHost } from '../host/detect.js';
import { HostEnvironment, refuseOverlap } from '../host/environment.js';
import { Events } from '../host/events.js';
import { refuseOtherHost } from '../host/foreign.js';
import { openKernelIn } from '../host/kernel.js';
import { requirePrivileges } from '../host/privileges.js';
import { recordHost } from '../host/record-host.js';
import { effectiveSettings } from '../host/settings.js';
import { requireWritableSysctls } from '../host/sysctls.js';
import type { OwnKernel } from '../kernel/own-kernel.js';
import { Standalone } from '../operations/standalone.js';
import { reconcileHost } from '../reconcile/host.js';
import { OpeningRepair } from '../reconcile/opening-repair.js';
import { repairHost } from '../reconcile/reconcile.js';
import { recover } from '../reconcile/recovery.js';
import { Repairs } from '../reconcile/repair.js';
import { refuseIfMigrated } from '../records/migration.js';
import { Owner } from '../records/owner.js';
import { type HostRecord, keys } from '../records/records.js';
import { migrateRecords } from '../records/schema-version.js';
import { hasStore } from '../store/folder.js';
import { Journal } from '../store/journal.js';
import { type LoneStore, openLmdbStore } from '../store/lmdb.js';
import { transact } from '../store/transaction.js';
import { withFileLock } from '../util/file-lock.js';
import { readOptions } from '../util/input.js';
import { HostHandle, readRecords } from './host.js';
import { type HostRequest, parseHostOptions, type Settings } from './options.js';
import type { Host, HostOptions } from './types.js';

/**
 * Opens a host: a lone host, with its state in a folder, or, with the option `store`, a node of a cluster. Creates the
 * objects of the host itself if they are missing, and begins to reconcile all networks (see `Host.repaired`). Several
 * processes may open the same host. Networks keep running after `Host.close`.
 * @throws ValidationError, NotFoundError for a NIC that does not exist, PrivilegeError, ConflictError if the recorded
 *   host has other settings, or another state folder serves the namespace, StoreError if the store cannot be reached, KernelError
 */
export async function openHost(options: HostOptions | ClusterHostOptions): Promise<Host> {
  const given = readOptions<HostOptions | ClusterHostOptions>(options);
  if ('store' in given) return (await openNode(given as ClusterHostOptions)).host;
  return openLoneHost(parseHostOptions(given as HostOptions));
}

/** An opened node of a cluster, with its host. */
export interface OpenedNode extends ClusterNode {
  host: Host;
}

/** As `openHost`, for a node of a cluster. The agent also needs the node. */
export async function openNode(options: ClusterHostOptions, events: NodeEvents = {}): Promise<OpenedNode> {
  // Loaded late: a lone host needs none of it.
  const { openNode: openClusterNode } = await import('../cluster/open.js');
  const opened = await openClusterNode(options, events);
  return { ...opened, host: await HostHandle.of(opened.context) };
}

async function openLoneHost(request: HostRequest): Promise<Host> {
  await requirePrivileges('opening a host');
  await requireWritableSysctls();
  const { signal } = request;
  signal?.throwIfAborted();
  const undo: (() => Promise<void>)[] = [];
  try {
    // The state folder of a new host is created after all checks, so that a failed call leaves nothing behind.
    let store: LoneStore | undefined;
    const open = async () => {
      const opened = await openLmdbStore(request.stateDir);
      undo.push(() => opened.close());
      return opened;
    };
    const recorded = async () => {
      if (store === undefined && (await hasStore(request.stateDir))) store = await open();
      return (await store?.get<HostRecord>(keys.host))?.value;
    };
    let known = await recorded();
    if (store !== undefined) {
      await transact(store, (transaction) => migrateRecords(transaction, request.stateDir));
      known = await recorded();
    }
    refuseIfMigrated(known);
    const { settings } = await effectiveSettings(request, known, where(request));
    const kernel = await openKernelIn(settings.netns);
    undo.push(() => kernel.close());
    const detected = await detectHost(kernel, settings.netns, settings);
    await refuseOtherHost(kernel, settings.netns, { state: request.stateDir, recorded });
    if (known === undefined) refuseOverlap(settings.floatingNetwork, detected);
    signal?.throwIfAborted();
    store ??= await open();
    const events = new Events(new Journal(join(request.stateDir, 'events')));
    undo.push(() => events.close());
    return await openWith(request, { kernel, detected, store, events });
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
}

/** Name of the lock file in the state folder while a host is recorded and its objects are created. */
const INITIALISATION = 'initialise.lock';

const where = ({ stateDir }: HostRequest) => `the state folder ${stateDir}`;

async function openWith(
  request: HostRequest,
  { kernel, detected, store, events }: { kernel: OwnKernel; detected: DetectedHost; store: LoneStore; events: Events },
): Promise<Host> {
  const path = await realpath(request.stateDir);
  // A process that opens a new host at the same time waits until it is complete.
  const { context, settings, changed } = await withFileLock(join(request.stateDir, INITIALISATION), async () => {
    const { record, settings, isNew, changed } = await transact(store, async (transaction) => {
      refuseIfMigrated(await transaction.get<HostRecord>(keys.host));
      await migrateRecords(transaction, request.stateDir);
      return recordHost(transaction, request, { where: where(request), isShared: false, stateDir: path });
    });
    const context = assembleContext({
      ...{ kernel, store, events },
      environment: new HostEnvironment(kernel, store, { record, settings, detected }),
      owner: new Owner(store.presence),
      runtimeRoot: await runtimeRoot(settings.stateDir),
      coordinator: (context) => new Standalone(context, store),
    });
    store.isSynchronous = settings.synchronousCommit;
    if (isNew) await initialise(context);
    return { context, settings, changed };
  });
  // Also if this process changes nothing: the process that recorded the host may not have flushed it yet.
  await store.flush();
  if (changed.length > 0) {
    const detail = changed.map((field) => `${field}: ${JSON.stringify(settings[field as keyof Settings])}`).join(', ');
    await events.note({ event: 'host.settings', cause: 'request', detail }, async () => undefined);
  }
  const { signal } = request;
  if (!settings.repair && changed.length === 0) {
    signal?.throwIfAborted();
    return HostHandle.of(context, { snapshot: await readRecords(context) });
  }
  await repairHost(context, { dryRun: false, cause: 'opening' });
  signal?.throwIfAborted();
  // Not in the background: interrupted changes hold names, addresses and devices that calls may need.
  const { states, interfaces } = await context.coordinator.states.all();
  const recovered = await recover(context, states.values(), new Repairs(context, { dryRun: false, cause: 'opening' }));
  signal?.throwIfAborted();
  const snapshot =
    recovered.length > 0
      ? await readRecords(context)
      : { networks: [...states.values()].map(({ network }) => network), interfaces: interfaces.length };
  const uuids = snapshot.networks.map(({ uuid }) => uuid);
  const beginRepair = () => new OpeningRepair(context, uuids, { ...request, recovered });
  const handle = await HostHandle.of(context, { beginRepair, snapshot });
  // Networks that have the former settings would be a surprise.
  if (changed.length > 0) await handle.repaired().catch(() => undefined);
  return handle;
}

/** Creates the objects of a new host. After an error the kernel is unchanged, and the record of the host is deleted. */
async function initialise(context: Context): Promise<void> {
  const { events, store } = context;
  try {
    await reconcileHost(context, ({ run }) => events.note({ event: 'host.init', cause: 'request' }, run));
  } catch (error) {
    await transact(store, async (transaction) => transaction.delete(keys.host));
    await store.flush().catch(() => undefined);
    throw error;
  }
}
