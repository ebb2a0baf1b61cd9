import { readdirSync, readFileSync, statSync } from 'node:fs';
import { Observer } from '../kernel/ensure/observer.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Link } from '../kernel/link/index.js';
import { type NamespaceRef, namespacePath, PIN_FOLDER } from '../kernel/namespace.js';

/** A namespace that was found by a link into it. */
export interface FoundNamespace {
  netns: NamespaceRef;
  /** Absent before Linux 5.14. */
  identity: string | undefined;
  links: readonly Link[];
}

/**
 * Finds namespaces by their id in the namespace of a host, to which links refer: those that are mounted (mountinfo in
 * proc(5)), and those of processes.
 */
export class NamespaceFinder {
  readonly #kernel: Kernel;
  readonly #host: NamespaceRef | undefined;
  #byId: Promise<Map<number, NamespaceRef>> | undefined;

  constructor(kernel: Kernel, host: NamespaceRef | undefined) {
    this.#kernel = kernel;
    this.#host = host;
  }

  /** Undefined if no path leads to the namespace. */
  async find(id: number): Promise<FoundNamespace | undefined> {
    this.#byId ??= this.#read();
    const netns = (await this.#byId).get(id);
    if (netns === undefined) return undefined;
    const [{ identity }, links] = await Promise.all([
      this.#kernel.query('namespace.get', { netns }),
      new Observer(this.#kernel).links(netns),
    ]);
    return { netns, identity, links };
  }

  async #read(): Promise<Map<number, NamespaceRef>> {
    const found = new Map<number, NamespaceRef>();
    const seen = new Set<number>();
    for (const netns of [...mounted(), ...ofProcesses()]) {
      const inode = inodeOf(netns);
      if (inode === undefined || seen.has(inode)) continue;
      seen.add(inode);
      const id = await this.#kernel.query('namespace.id', { netns: this.#host, target: netns }).catch(() => -1);
      if (id >= 0) found.set(id, netns);
    }
    return found;
  }
}

/** Mounted network namespaces: by name under /run/netns, others by path. */
function mounted(): NamespaceRef[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , , root = '', , , ...rest]) => root.startsWith('net:[') && rest.includes('nsfs'))
    .map(([, , , , path = '']) =>
      path.replace(/\\([0-7]{3})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 8))),
    )
    .map((path) => (path.startsWith(`${PIN_FOLDER}/`) ? path.slice(PIN_FOLDER.length + 1) : path));
}

function ofProcesses(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function inodeOf(netns: NamespaceRef): number | undefined {
  try {
    return statSync(namespacePath(netns)).ino;
  } catch {
    return undefined;
  }
}
