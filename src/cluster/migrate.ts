import { setTimeout as delay } from 'node:timers/promises';
import { runtimeRoot } from '../dnsmasq/index.js';
import { ConflictError, NotFoundError } from '../errors.js';
import { deviceName } from '../plan/interface.js';
import { type Claim, claim, isHeld, isOwn } from '../records/claim.js';
import { refuseIfMigrated } from '../records/migration.js';
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

const AT_ONCE = 1000;

export interface Migration {
  /** State folder of the machine by itself. */
  state: string;
  store: EtcdOptions;
  /** What the machine is called in the cluster, whose network node it becomes. */
  node: string;
}

interface Moved {
  networks: number;
  interfaces: number;
}

/** How long changes that are under way may take to end, in milliseconds. */
const PATIENCE_MS = 60_000;
const PAUSE_MS = 20;

/** Whose state is on its way, and who is at it: tells a migration that was broken off from a cluster that is in use. */
type Origin = { node: string; runtime: string; bridge: string; claim: Claim };

/**
 * Moves the state of a machine by itself into an empty cluster. Nothing in the kernel is touched, and dnsmasq runs on: the
 * networks do not notice. From its beginning on, nothing is changed by way of the folder any more, unless it fails. A
 * migration that was killed, wherever that was, is gone on with by calling it again.
 * @returns how many networks and interfaces there are
 * @throws ValidationError, ConflictError if the cluster is not empty, or something is being changed; NotFoundError, StoreError
 */
export async function migrate({ state, store: target, node }: Migration): Promise<Moved> {
  const place = parseEtcdOptions(target);
  const source = await openLmdbStore(state);
  try {
    await transact(source, (transaction) => migrateRecords(transaction, state));
    const host = (await source.get<HostRecord>(keys.host))?.value;
    if (host === undefined) throw new NotFoundError('host in the state folder', state);
    const cluster = await openEtcdStore(place);
    try {
      const origin = { node, runtime: await runtimeRoot(state), bridge: host.egressBridge.mac, claim: claim() };
      return await move(source, cluster, origin);
    } finally {
      await cluster.close();
    }
  } finally {
    await source.close();
  }
}

async function move(source: Store, cluster: ClusterStore, origin: Origin): Promise<Moved> {
  const isGoingOn = await claimCluster(cluster, origin, source);
  const host = await mark(source, isGoingOn, `the cluster at ${cluster.location}`);
  let entries: Entry[];
  try {
    entries = await copy(source, cluster, origin);
  } catch (error) {
    // Not there yet, so it can be gone on with here. What is left of the copy is no hindrance to the next attempt.
    await transact(source, async (transaction) => transaction.put(keys.host, host));
    await empty(cluster, () => true).catch(() => undefined);
    throw error;
  }
  await transact(cluster, async (transaction) => {
    const known = await transaction.get<Origin>(clusterKeys.migration);
    if (known === undefined || !isOwn(known.claim)) throw new ConflictError('another migration has taken its place');
    // The nodes of a cluster have settings of their own.
    const { settings: _, ...common } = host;
    transaction.create(keys.host, { ...common, networkNode: origin.node });
    transaction.delete(clusterKeys.migration);
  });
  const count = (prefix: string) => entries.filter(({ key }) => key.startsWith(prefix)).length;
  return { networks: count(keys.networks), interfaces: count(keys.interfaces) };
}

/** True if this state has been on its way before. @throws ConflictError if something else is in the cluster */
async function claimCluster(cluster: ClusterStore, origin: Origin, source: Store): Promise<boolean> {
  const isUsed = (await cluster.list('')).length > 0;
  const hasMoved = (await source.get<HostRecord>(keys.host))?.value.movedTo !== undefined;
  return transact(cluster, async (transaction) => {
    const known = await transaction.get<Origin>(clusterKeys.migration);
    const host = await transaction.get(keys.host);
    if (known === undefined) {
      // Told in words of the folder.
      if (hasMoved) return false;
      if (isUsed || host !== undefined) throw new ConflictError(`the cluster at ${cluster.location} is not empty`);
    } else if (known.node !== origin.node || known.runtime !== origin.runtime || known.bridge !== origin.bridge) {
      throw new ConflictError(`another machine, ${known.node}, is moving into the cluster at ${cluster.location}`);
    } else if (isHeld(known.claim) && !isOwn(known.claim)) {
      throw new ConflictError(`process ${known.claim.pid} is moving this state already`);
    }
    transaction.put(clusterKeys.migration, origin);
    return known !== undefined;
  });
}

/** From now on nothing is begun here. Resolves to the host as it was. @throws ConflictError if it has moved already */
function mark(source: Store, isGoingOn: boolean, movedTo: string): Promise<HostRecord> {
  return transact(source, async (transaction) => {
    const host = await transaction.get<HostRecord>(keys.host);
    if (host === undefined) throw new NotFoundError('host', 'the state folder');
    if (!isGoingOn) refuseIfMigrated(host);
    const { movedTo: _, ...kept } = host;
    transaction.put(keys.host, { ...kept, movedTo });
    return kept;
  });
}

/** Resolves to what there is, now in the cluster as well, all but the host. */
async function copy(source: Store, cluster: ClusterStore, origin: Origin): Promise<Entry[]> {
  const entries = await waitForIdle(source);
  await empty(cluster, (key) => key !== clusterKeys.migration);
  const puts = entries.filter(({ key }) => key !== keys.host).map((entry) => moved(entry, origin.node));
  puts.push({ key: clusterKeys.runtime(origin.node), value: origin.runtime });
  for (let at = 0; at < puts.length; at += AT_ONCE) {
    await cluster.commit({ conditions: [], puts: puts.slice(at, at + AT_ONCE), deletes: [] });
  }
  return entries;
}

async function empty(cluster: ClusterStore, isUnwanted: (key: string) => boolean): Promise<void> {
  const keys = (await cluster.list('')).map(({ key }) => key).filter(isUnwanted);
  for (let at = 0; at < keys.length; at += AT_ONCE) {
    await cluster.commit({ conditions: [], puts: [], deletes: keys.slice(at, at + AT_ONCE) });
  }
}

/** Everything, once what was under way has ended; nothing is begun any more. @throws ConflictError */
async function waitForIdle(source: Store): Promise<Entry[]> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const entries = await source.list('');
    const changing = entries.map(changeIn).filter((change) => change !== undefined);
    const abandoned = changing.find(({ isHeld }) => !isHeld);
    if (abandoned !== undefined) {
      throw new ConflictError(`${abandoned.what} is half made or removed: reconcile first`);
    }
    const [held] = changing;
    if (held === undefined) return entries;
    if (performance.now() > deadline) throw new ConflictError(`${held.what} is being changed: try again`);
    await delay(PAUSE_MS);
  }
}

function moved({ key, value }: Entry, node: string): { key: string; value: Json } {
  if (key.startsWith(keys.interfaces)) return { key, value: { ...(value as InterfaceRecord), node } };
  for (const kind of ['device/', 'place/']) {
    if (key.startsWith(kind)) return { key: `${kind}${node}/${key.slice(kind.length)}`, value };
  }
  return { key, value };
}

/** What an entry says of a change that has not ended. */
function changeIn({ key, value }: Entry): { what: string; isHeld: boolean } | undefined {
  const isNetwork = key.startsWith(keys.networks);
  if (!isNetwork && !key.startsWith(keys.interfaces)) return undefined;
  const lifecycles: (Lifecycle | undefined)[] = isNetwork
    ? [value as NetworkRecord, ...Object.values((value as NetworkRecord).routed)]
    : [value as InterfaceRecord, (value as InterfaceRecord).floating];
  const changing = lifecycles.filter((each) => each !== undefined && each.state !== 'created');
  if (changing.length === 0) return undefined;
  const what = isNetwork
    ? `network ${(value as NetworkRecord).uuid}`
    : `${deviceName((value as InterfaceRecord).attachment)} of network ${(value as InterfaceRecord).network}`;
  return { what, isHeld: changing.every((each) => isHeld(each?.claim)) };
}
