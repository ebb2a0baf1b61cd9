import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { RUN } from './paths.js';
import { CONFIG_OPTION } from './process.js';

const ROOT = /^[0-9a-f]{12}$/;
const CONFIG = /^dnsmasq-[0-9a-f]{12}\.conf$/;

/**
 * Finds the runtime folders of the dnsmasqs of networks, without the state folder that they follow from: by the folders
 * of this user, and by the command lines of running processes. They may be the folders of any host on this machine.
 * @returns runtime folders by UUID
 */
export function findRuntimeRoots(networks: ReadonlySet<string>, run = RUN): Map<string, Set<string>> {
  const roots = new Map<string, Set<string>>();
  const add = (root: string, network: string) => {
    if (networks.has(network)) roots.set(network, (roots.get(network) ?? new Set()).add(root));
  };
  for (const root of list(run).filter((name) => ROOT.test(name))) {
    const folder = path.join(run, root);
    if (lstatSync(folder, { throwIfNoEntry: false })?.uid !== process.geteuid?.()) continue;
    for (const network of list(folder)) add(folder, network);
  }
  for (const pid of list('/proc').filter((name) => /^\d+$/.test(name))) {
    for (const argument of read(`/proc/${pid}/cmdline`).split('\0')) {
      if (!argument.startsWith(CONFIG_OPTION)) continue;
      const config = argument.slice(CONFIG_OPTION.length);
      const folder = path.dirname(config);
      const root = path.dirname(folder);
      const isOurs = path.dirname(root) === run && ROOT.test(path.basename(root)) && CONFIG.test(path.basename(config));
      if (isOurs) add(root, path.basename(folder));
    }
  }
  return roots;
}

/** Returns the entries of a folder; none if it cannot be read. */
function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Returns the text of a file; none if it cannot be read, for example of a process that has ended. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
