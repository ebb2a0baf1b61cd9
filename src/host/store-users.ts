import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { STORE_FILE } from '../store/folder.js';

/** A process that has the embedded store of a host open. */
export interface StoreUser {
  pid: number;
  command: string;
  /** State folder; it may be removed. */
  folder: string;
  isRemoved: boolean;
}

const REMOVED = ' (deleted)';

/**
 * Finds a process that has a store open in which an egress bridge is recorded: by the descriptors in /proc, which also
 * refer to removed files. Processes that this user may not inspect are not found.
 */
export function findStoreUser(bridge: { name: string; index: number }): StoreUser | undefined {
  const { name, index } = bridge;
  const record = `"egressBridge":${JSON.stringify({ name, index }).slice(0, -1)},`;
  for (const pid of list('/proc').filter((name) => /^\d+$/.test(name))) {
    for (const descriptor of list(`/proc/${pid}/fd`)) {
      const path = `/proc/${pid}/fd/${descriptor}`;
      const target = attempt(() => readlinkSync(path)) ?? '';
      const isRemoved = target.endsWith(REMOVED);
      const file = isRemoved ? target.slice(0, -REMOVED.length) : target;
      if (!file.endsWith(`/${STORE_FILE}`) || !attempt(() => readFileSync(path))?.includes(record)) continue;
      const command = attempt(() => readFileSync(`/proc/${pid}/comm`, 'utf8').trim()) ?? '';
      return { pid: Number(pid), command, folder: dirname(file), isRemoved };
    }
  }
  return undefined;
}

/** Returns a text for a process that uses a store. */
export const storeUserText = ({ pid, command, folder, isRemoved }: StoreUser): string =>
  `process ${pid} (${command}) has the state folder ${folder} open${isRemoved ? ', which was removed' : ''}`;

const list = (folder: string): string[] => attempt(() => readdirSync(folder)) ?? [];

/** Undefined for a process that has ended, or that this user may not inspect. */
function attempt<Result>(read: () => Result): Result | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
