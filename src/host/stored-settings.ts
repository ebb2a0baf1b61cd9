import { type HostRecord, keys } from '../records/records.js';
import { hasStore } from '../store/folder.js';
import { openLmdbStore } from '../store/lmdb.js';
import { recordedSettings } from './settings.js';

/** Returns the settings recorded in a state folder; empty if it has no host. @throws StoreError */
export async function storedSettings(state: string): Promise<ReturnType<typeof recordedSettings>> {
  return recordedSettings(await storedHost(state));
}

/** Returns the host recorded in a state folder. @throws StoreError */
export async function storedHost(state: string): Promise<HostRecord | undefined> {
  if (!(await hasStore(state))) return undefined;
  const store = await openLmdbStore(state);
  try {
    return (await store.get<HostRecord>(keys.host))?.value;
  } finally {
    await store.close();
  }
}
