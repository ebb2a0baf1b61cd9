import { setTimeout as delay } from 'node:timers/promises';
import { runtimeRoot } from '../dnsmasq/index.js';
import { ConflictError, NotFoundError } from '../errors.js';
import { deviceName } from '../plan/interface.js';
import type { Claim } from '../records/claim.js';
import { refuseIfMigrated } from '../records/migration.js';
import { Owner } from '../records/owner.js';
import { type PoolRecord, poolKeys } from '../records/pools.js';
import { type HostRecord, type InterfaceRecord, keys, type Lifecycle, type NetworkRecord } from '../records/records.js';
import { migrateRecords } from '../records/schema-version.js';
import type { EtcdOptions } from '../store/etcd/client.js';
import type { ClusterStore } from '../store/etcd/cluster-store.js';
import { parseEtcdOptions } from '../store/etcd/options.js';
import { openEtcdStore } from '../store/etcd/store.js';
import { openLmdbStore } from '../store/lmdb.js';
import type { Entry, Json, Store } from '../store/store.js';
import { transact } from '../store/transaction.js';
import { clusterKeys } from './keys.js';

/** Number of entries in one commit. */
const ENTRIES_PER_COMMIT = 1000;

/** Options of `migrate`. */
export interface Migration {
  /** State folder of the lone host. */
  stateDir: string;
  store: EtcdOptions;
  /** Name of the node. It becomes the network node of the cluster. */
  node: string;
}

/** Number of migrated objects. */
interface MigratedCounts {
  networks: number;
  interfaces: number;
}

/** Maximum wait for running changes, in milliseconds. */
const IDLE_TIMEOUT_MS = 60_000;
const PAUSE_MS = 20;

/**
 * Origin of a migration, and the process that runs it. Distinguishes an interrupted migration from a cluster in use.
 */
type Origin = { node: string; runtime: string; bridge: string; claim: Claim };

/**
 * Migrates the state of a lone host into an empty cluster. The kernel is not changed and dnsmasq keeps running, so
 * networks are not interrupted. No change begins in the state folder during the migration and after it. After an error,
 * the folder is in use again. A call resumes a migration that was killed at any point.
 * @returns the number of networks and interfaces
 * @throws ValidationError, ConflictError if the cluster is not empty, or something is being changed; NotFoundError,
 *   StoreError
 */
export async function migrate({ stateDir, store: target, node }: Migration): Promise<MigratedCounts> {
  const place = parseEtcdOptions(target);
  const source = await openLmdbStore(stateDir);
  const owner = new Owner(source.presence);
  try {
    await transact(source, (transaction) => migrateRecords(transaction, stateDir));
    const host = (await source.get<HostRecord>(keys.host))?.value;
    if (host === undefined) throw new NotFoundError('host in the state folder', stateDir);
    const cluster = await openEtcdStore(place);
    try {
      const origin = {
        node,
        runtime: await runtimeRoot(stateDir),
        bridge: host.egressBridge.mac,
        claim: owner.claim(),
      };
      return await move({ source, cluster, owner }, origin);
    } finally {
      await cluster.close();
    }
  } finally {
    await source.close();
  }
}

/** The two stores, and the process that migrates. */
type Places = { source: Store; cluster: ClusterStore; owner: Owner };

async function move(places: Places, origin: Origin): Promise<MigratedCounts> {
  const { source, cluster, owner } = places;
  const isResumed = await claimCluster(places, origin);
  const host = await markMigrated(source, isResumed, `the cluster at ${cluster.location}`);
  // Before the cluster is usable: a folder that forgot its migration would be a second truth.
  await source.flush();
  let entries: Entry[];
  try {
    entries = await copy(places, origin);
  } catch (error) {
    // The cluster is not usable yet, so the folder is. The next attempt deletes the rest of the copy.
    await transact(source, async (transaction) => transaction.put(keys.host, host));
    await source.flush();
    await empty(cluster, () => true).catch(() => undefined);
    throw error;
  }
  await transact(cluster, async (transaction) => {
    const known = await transaction.get<Origin>(clusterKeys.migration);
    if (known === undefined || !owner.isOwn(known.claim))
      throw new ConflictError('another migration into the cluster has begun');
    // The settings of a lone host are not settings of the cluster.
    const { settings: _, ...common } = host;
    transaction.create(keys.host, { ...common, networkNode: origin.node });
    transaction.delete(clusterKeys.migration);
  });
  const count = (prefix: string) => entries.filter(({ key }) => key.startsWith(prefix)).length;
  return { networks: count(keys.networks), interfaces: count(keys.interfaces) };
}

/**
 * Records the origin in the cluster. Resolves to true if this migration is resumed.
 * @throws ConflictError if the cluster is in use
 */
async function claimCluster({ cluster, owner, source }: Places, origin: Origin): Promise<boolean> {
  const isUsed = (await cluster.list('')).length > 0;
  const hasMoved = (await source.get<HostRecord>(keys.host))?.value.movedTo !== undefined;
  return transact(cluster, async (transaction) => {
    const known = await transaction.get<Origin>(clusterKeys.migration);
    const host = await transaction.get(keys.host);
    if (known === undefined) {
      // `markMigrated` throws the error about the folder.
      if (hasMoved) return false;
      if (isUsed || host !== undefined) throw new ConflictError(`the cluster at ${cluster.location} is not empty`);
    } else if (known.node !== origin.node || known.runtime !== origin.runtime || known.bridge !== origin.bridge) {
      throw new ConflictError(`another host, ${known.node}, is being migrated into the cluster at ${cluster.location}`);
    } else if (owner.isAlive(known.claim) && !owner.isOwn(known.claim)) {
      throw new ConflictError(`process ${known.claim.pid} is migrating this state`);
    }
    transaction.put(clusterKeys.migration, origin);
    return known !== undefined;
  });
}

/**
 * Marks the state folder as migrated, so that no change begins. Resolves to the previous record.
 * @throws ConflictError if it was migrated before
 */
function markMigrated(source: Store, isResumed: boolean, movedTo: string): Promise<HostRecord> {
  return transact(source, async (transaction) => {
    const host = await transaction.get<HostRecord>(keys.host);
    if (host === undefined) throw new NotFoundError('host', 'the state folder');
    if (!isResumed) refuseIfMigrated(host);
    const { movedTo: _, ...kept } = host;
    transaction.put(keys.host, { ...kept, movedTo });
    return kept;
  });
}

/** Copies all entries except the host. Resolves to the entries. */
async function copy({ source, cluster, owner }: Places, origin: Origin): Promise<Entry[]> {
  const entries = await waitForIdle(source, owner);
  await empty(cluster, (key) => key !== clusterKeys.migration);
  const puts = entries.filter(({ key }) => key !== keys.host).map((entry) => moved(entry, origin.node));
  puts.push({ key: clusterKeys.runtime(origin.node), value: origin.runtime });
  for (let at = 0; at < puts.length; at += ENTRIES_PER_COMMIT) {
    await cluster.commit({ conditions: [], puts: puts.slice(at, at + ENTRIES_PER_COMMIT), deletes: [] });
  }
  return entries;
}

/** Deletes entries of the cluster. */
async function empty(cluster: ClusterStore, isUnwanted: (key: string) => boolean): Promise<void> {
  const keys = (await cluster.list('')).map(({ key }) => key).filter(isUnwanted);
  for (let at = 0; at < keys.length; at += ENTRIES_PER_COMMIT) {
    await cluster.commit({ conditions: [], puts: [], deletes: keys.slice(at, at + ENTRIES_PER_COMMIT) });
  }
}

/**
 * Waits for the end of running changes and returns all entries.
 * @throws ConflictError for a change that does not end
 */
async function waitForIdle(source: Store, owner: Owner): Promise<Entry[]> {
  const deadline = performance.now() + IDLE_TIMEOUT_MS;
  for (;;) {
    const entries = await source.list('');
    const changing = entries.map((entry) => changeIn(entry, owner)).filter((change) => change !== undefined);
    const interrupted = changing.find(({ isOwnerAlive }) => !isOwnerAlive);
    if (interrupted !== undefined) {
      throw new ConflictError(`a change of ${interrupted.title} was interrupted: reconcile first`);
    }
    const [held] = changing;
    if (held === undefined) return entries;
    if (performance.now() > deadline) throw new ConflictError(`${held.title} is being changed: try again`);
    await delay(PAUSE_MS);
  }
}

/** Returns an entry with the node in its value or key. */
function moved({ key, value }: Entry, node: string): { key: string; value: Json } {
  if (key.startsWith(keys.interfaces)) {
    // Nodes of a cluster always announce addresses.
    const { isFirstOwner: _, ...record } = value as InterfaceRecord;
    return { key, value: { ...record, node } };
  }
  if (key.startsWith(poolKeys.pools)) return { key, value: { ...(value as PoolRecord), node } };
  for (const kind of ['device/', 'place/']) {
    if (key.startsWith(kind)) return { key: `${kind}${node}/${key.slice(kind.length)}`, value };
  }
  return { key, value };
}

/** Returns the unfinished change in an entry; undefined if there is none. `isOwnerAlive`: its owner runs. */
function changeIn({ key, value }: Entry, owner: Owner): { title: string; isOwnerAlive: boolean } | undefined {
  const isNetwork = key.startsWith(keys.networks);
  if (!isNetwork && !key.startsWith(keys.interfaces)) return undefined;
  const lifecycles: (Lifecycle | undefined)[] = isNetwork
    ? [value as NetworkRecord, ...Object.values((value as NetworkRecord).routed)]
    : [value as InterfaceRecord, (value as InterfaceRecord).floating];
  const changing = lifecycles.filter((each) => each !== undefined && each.state !== 'created');
  if (changing.length === 0) return undefined;
  const title = isNetwork
    ? `network ${(value as NetworkRecord).uuid}`
    : `${deviceName((value as InterfaceRecord).attachment)} of network ${(value as InterfaceRecord).network}`;
  return { title, isOwnerAlive: changing.every((each) => owner.isAlive(each?.claim)) };
}
