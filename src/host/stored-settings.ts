import { readInterfaces, readNetworks } from '../records/queries.js';
import { type HostRecord, type InterfaceRecord, keys, type NetworkRecord } from '../records/records.js';
import { hasStore } from '../store/folder.js';
import { openLmdbStore } from '../store/lmdb.js';
import type { Store } from '../store/store.js';
import { recordedSettings } from './settings.js';

/** Returns the settings recorded in a state folder; empty if it has no host. @throws StoreError */
export async function storedSettings(state: string): Promise<ReturnType<typeof recordedSettings>> {
  return recordedSettings(await storedHost(state));
}

/** Returns the host recorded in a state folder. @throws StoreError */
export async function storedHost(state: string): Promise<HostRecord | undefined> {
  if (!(await hasStore(state))) return undefined;
  return withStore(state, async (store) => (await store.get<HostRecord>(keys.host))?.value);
}

/** Returns the networks and interfaces recorded in a state folder, in any lifecycle state. @throws StoreError */
export async function storedRecords(
  state: string,
): Promise<{ networks: NetworkRecord[]; interfaces: InterfaceRecord[] }> {
  return withStore(state, async (store) => ({
    networks: await readNetworks({ store }),
    interfaces: await readInterfaces({ store }),
  }));
}

async function withStore<Result>(state: string, read: (store: Store) => Promise<Result>): Promise<Result> {
  const store = await openLmdbStore(state);
  try {
    return await read(store);
  } finally {
    await store.close();
  }
}
