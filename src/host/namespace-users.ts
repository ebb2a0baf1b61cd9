import { readdirSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Kernel } from '../kernel/kernel.js';
import { namespacePath } from '../kernel/namespace.js';

/** Namespaces whose pins are removed within this time share a reading of /proc, in milliseconds. */
const GATHER_MS = 20;

/** A namespace that is to be deleted. */
export interface EndingNamespace {
  /** The kernel reuses it. */
  inode: number;
  /** `NamespaceInfo.identity`, which the kernel does not reuse. */
  identity: string;
}

/** Returns what identifies a pinned namespace after its pin was removed. Undefined if it does not exist. */
export function endingNamespace(name: string, identity: string | undefined): EndingNamespace | undefined {
  const inode = statSync(namespacePath(name), { throwIfNoEntry: false })?.ino;
  return inode === undefined || identity === undefined ? undefined : { inode, identity };
}

/** Finds the processes that still use namespaces whose pins were removed. Such a namespace lives until they end. */
export class NamespaceUsers {
  readonly #kernel: Kernel;
  #reading: Promise<ReadonlyMap<number, number[]>> | undefined;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Resolves to the ids of the processes whose main thread is in a namespace. */
  async find({ inode, identity }: EndingNamespace): Promise<number[]> {
    this.#reading ??= sleep(GATHER_MS).then(() => {
      this.#reading = undefined;
      return processesByNamespace();
    });
    const candidates = (await this.#reading).get(inode) ?? [];
    const isUser = async (pid: number) => {
      try {
        return (await this.#kernel.query('namespace.get', { netns: pid })).identity === identity;
      } catch {
        // It has ended.
        return false;
      }
    };
    const users = await Promise.all(candidates.map(async (pid) => ((await isUser(pid)) ? [pid] : [])));
    return users.flat();
  }
}

/** Process ids by the inode of their network namespace. */
function processesByNamespace(): ReadonlyMap<number, number[]> {
  const found = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const { ino } = statSync(`/proc/${name}/ns/net`);
      found.set(ino, [...(found.get(ino) ?? []), Number(name)]);
    } catch {
      // It has ended, or belongs to another user.
    }
  }
  return found;
}
