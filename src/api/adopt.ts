import { realpath } from 'node:fs/promises';
import { readLostHost, type Skipped } from '../adopt/adopt.js';
import { writeRecords } from '../adopt/write.js';
import { DnsmasqSupervisor, runtimeRoot } from '../dnsmasq/index.js';
import { ConflictError } from '../errors.js';
import { detectHost } from '../host/detect.js';
import { refuseKnownState } from '../host/foreign.js';
import { openKernelIn } from '../host/kernel.js';
import { requirePrivileges } from '../host/privileges.js';
import { effectiveSettings } from '../host/settings.js';
import { storedHost } from '../host/stored-settings.js';
import { requireWritableSysctls } from '../host/sysctls.js';
import type { Kernel } from '../kernel/kernel.js';
import { interfaceInfo, networkInfo } from '../records/records.js';
import { openLmdbStore } from '../store/lmdb.js';
import { transact } from '../store/transaction.js';
import { openHost } from './open-host.js';
import { parseAdoptOptions } from './options.js';
import type { HostOptions, InterfaceInfo, NetworkInfo, RepairResult } from './types.js';

/**
 * Options of `adoptHost`: those of `openHost`. Options that are omitted are read from the kernel and from the files of
 * dnsmasq, or get their defaults.
 */
export interface AdoptOptions extends Omit<HostOptions, 'repair' | 'updateSettings' | 'onProgress'> {
  /** Only report. The state folder is not created. Default false. */
  dryRun?: boolean;
}

/** The result of `adoptHost`. */
export interface Adoption {
  dryRun: boolean;
  host: {
    egressNic: string;
    meshNic: string;
    floatingNetwork: string;
    outboundNat: boolean;
    allowMetadata: boolean;
    vxlanPort: number;
    dnsServers: string[];
    domain: string;
  };
  networks: (NetworkInfo & {
    /** Properties that got a default value, because neither kernel nor dnsmasq know them. Besides `metadata`. */
    defaults: string[];
    interfaces: (InterfaceInfo & {
      /** As for the network. Besides `metadata` and `instance`. */ defaults: string[];
    })[];
  })[];
  /** Objects that cannot be rebuilt. They are left alone: `vethwork purge` removes them. */
  skipped: Skipped[];
  /** Differences between the new records and the kernel that were repaired. Empty with `dryRun`. */
  repairs: RepairResult[];
}

/**
 * Rebuilds the records of a lone host whose state folder was lost, from the kernel and the files of dnsmasq. Traffic is
 * not interrupted. Processes that have the lost state open must be ended before.
 * @throws ValidationError, PrivilegeError, NotFoundError if nothing of vethwork is found, ConflictError if the state
 *   folder has a host, a process has the host open with another state folder, the kernel has other settings than
 *   given, or the objects are those of a node of a cluster; KernelError, StoreError
 */
export async function adoptHost(options: AdoptOptions): Promise<Adoption> {
  const { dryRun, ...request } = parseAdoptOptions(options);
  await requirePrivileges('adopting a host');
  await requireWritableSysctls();
  const { stateDir, netns, signal } = request;
  signal?.throwIfAborted();
  if ((await storedHost(stateDir)) !== undefined) {
    throw new ConflictError(`${stateDir} has the records of a host: open it (vethwork --state-dir ${stateDir} status)`);
  }
  const kernel = await openKernelIn(netns);
  let adoption: Adoption;
  try {
    const lost = await readLostHost(kernel, request);
    await refuseKnownState(lost.bridge);
    const { settings } = await effectiveSettings(request, lost.host, 'the kernel');
    await detectHost(kernel, netns, settings);
    adoption = {
      dryRun,
      host: {
        ...{ egressNic: settings.egressNic, meshNic: settings.meshNic, floatingNetwork: settings.floatingNetwork },
        ...{ outboundNat: settings.outboundNat, allowMetadata: settings.allowMetadata },
        ...{ vxlanPort: settings.vxlanPort, dnsServers: settings.dnsServers, domain: settings.domain },
      },
      networks: lost.networks.map(({ record, defaults, members }) => ({
        ...networkInfo(record),
        defaults,
        interfaces: members.map(({ record, defaults }) => ({ ...interfaceInfo(record), defaults })),
      })),
      skipped: lost.skipped,
      repairs: [],
    };
    signal?.throwIfAborted();
    if (dryRun) return adoption;
    const store = await openLmdbStore(stateDir);
    try {
      const where = `the state folder ${stateDir}`;
      const path = await realpath(stateDir);
      await transact(store, (transaction) => writeRecords(transaction, lost, { settings, where, stateDir: path }));
      await store.flush();
    } finally {
      await store.close();
    }
    await stopOthers(kernel, await runtimeRoot(stateDir), lost);
  } finally {
    await kernel.close();
  }
  const host = await openHost({ stateDir, ...(netns !== undefined && { netns }), repair: false });
  try {
    return { ...adoption, repairs: await host.reconcile() };
  } finally {
    await host.close();
  }
}

/** The files of dnsmasq follow from the path of the state folder. A dnsmasq of another folder is replaced. */
async function stopOthers(
  kernel: Kernel,
  root: string,
  { networks, roots }: Pick<Awaited<ReturnType<typeof readLostHost>>, 'networks' | 'roots'>,
): Promise<void> {
  for (const { record } of networks) {
    for (const other of roots.get(record.uuid) ?? []) {
      if (other === root) continue;
      const supervisor = new DnsmasqSupervisor(kernel, { root: other });
      await supervisor.stop({ network: record.uuid, netns: record.uuid });
      await supervisor.leave();
      await supervisor.close();
    }
  }
}
