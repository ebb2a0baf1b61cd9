import { runtimeRoot } from '../dnsmasq/index.js';
import { ConflictError, NotFoundError } from '../errors.js';
import { isHeld } from '../model/claim.js';
import { type HostRecord, type InterfaceRecord, keys, type Lifecycle, type NetworkRecord } from '../model/records.js';
import { deviceName } from '../plan/interface.js';
import { openEtcdStore } from '../store/etcd.js';
import type { EtcdOptions } from '../store/etcd-client.js';
import { openLmdbStore } from '../store/lmdb.js';
import type { Entry, Json } from '../store/store.js';
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

/**
 * Copies the state of a machine by itself into an empty cluster. Nothing in the kernel is touched, and dnsmasq runs on: the
 * networks do not notice. The folder is marked, so that nobody goes on with it.
 * @returns how many networks and interfaces there are
 * @throws ConflictError if the cluster is not empty, or something is being changed at the moment; NotFoundError
 */
export async function migrate({
  state,
  store: target,
  node,
}: Migration): Promise<{ networks: number; interfaces: number }> {
  const source = await openLmdbStore(state);
  try {
    const entries = await source.list('');
    const host = entries.find(({ key }) => key === keys.host)?.value as HostRecord | undefined;
    if (host === undefined) throw new NotFoundError('host in the state folder', state);
    if (host.movedTo !== undefined)
      throw new ConflictError(`the state in ${state} has moved to ${host.movedTo} already`);
    for (const entry of entries) refuseIfChanging(entry);
    const cluster = await openEtcdStore(target);
    try {
      if ((await cluster.list('')).length > 0)
        throw new ConflictError(`the cluster at ${cluster.location} is not empty`);
      const puts = entries.filter(({ key }) => key !== keys.host).map((entry) => moved(entry, node));
      puts.push({ key: clusterKeys.runtime(node), value: await runtimeRoot(state) });
      for (let at = 0; at < puts.length; at += AT_ONCE) {
        await cluster.commit({ conditions: [], puts: puts.slice(at, at + AT_ONCE), deletes: [] });
      }
      // First it can't be gone on with here, then it can be there.
      await transact(source, async (transaction) =>
        transaction.put(keys.host, { ...host, movedTo: `the cluster at ${cluster.location}` }),
      );
      await transact(cluster, async (transaction) => {
        transaction.create(keys.host, { ...host, networkNode: node });
      });
    } finally {
      await cluster.close();
    }
    const count = (prefix: string) => entries.filter(({ key }) => key.startsWith(prefix)).length;
    return { networks: count(keys.networks), interfaces: count(keys.interfaces) };
  } finally {
    await source.close();
  }
}

function moved({ key, value }: Entry, node: string): { key: string; value: Json } {
  if (key.startsWith(keys.interfaces)) return { key, value: { ...(value as InterfaceRecord), node } };
  if (key.startsWith(keys.device(''))) return { key: keys.device(key.slice(keys.device('').length), node), value };
  return { key, value };
}

/** @throws ConflictError */
function refuseIfChanging({ key, value }: Entry): void {
  const isNetwork = key.startsWith(keys.networks);
  if (!isNetwork && !key.startsWith(keys.interfaces)) return;
  const lifecycles: (Lifecycle | undefined)[] = isNetwork
    ? [value as NetworkRecord, ...Object.values((value as NetworkRecord).routed)]
    : [value as InterfaceRecord, (value as InterfaceRecord).floating];
  if (lifecycles.every((each) => each === undefined || each.state === 'created')) return;
  const what = isNetwork
    ? `network ${(value as NetworkRecord).uuid}`
    : `${deviceName((value as InterfaceRecord).attachment)} of network ${(value as InterfaceRecord).network}`;
  const isBusy = lifecycles.some((each) => isHeld(each?.claim));
  throw new ConflictError(
    `${what} is ${isBusy ? 'being changed: try again' : 'half made or removed: reconcile first'}`,
  );
}
