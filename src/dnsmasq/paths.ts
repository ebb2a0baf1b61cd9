import { createHash } from 'node:crypto';
import { chmod, chown, mkdir, realpath, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { ValidationError } from '../errors.js';
import { parse, uuid } from '../validate.js';

const RUN = '/run/vethwork';

/** Where the files of one network's dnsmasq are. */
export interface RuntimePaths {
  folder: string;
  dhcpHosts: string;
  names: string;
  leases: string;
  /** What dnsmasq says while it runs. */
  log: string;
  pid: string;
}

/**
 * The runtime folder that belongs to a state folder: two hosts on one machine (namespaces standing for hosts) do not
 * meet, and every process that opens the same state finds the same dnsmasqs.
 */
export async function runtimeRoot(state: string, run = RUN): Promise<string> {
  return runtimeRootOf(await realpath(state), run);
}

/** The runtime folder of a host that is known by another name than that of a state folder. */
export function runtimeRootOf(identity: string, run = RUN): string {
  return path.join(run, createHash('sha256').update(identity).digest('hex').slice(0, 12));
}

/** @throws ValidationError if the root cannot be written in a configuration of dnsmasq, or the network is no UUID */
export function runtimePaths(root: string, network: string): RuntimePaths {
  if (!/^\/[\w./-]+$/.test(root))
    throw new ValidationError('root', root, 'an absolute path of letters, digits, -, _, . and /');
  const folder = path.join(root, parse(uuid, network, 'network'));
  const file = (name: string) => path.join(folder, name);
  return {
    folder,
    dhcpHosts: file('dhcp-hosts'),
    names: file('names'),
    leases: file('leases'),
    log: file('log'),
    pid: file('pid'),
  };
}

/**
 * The configuration file that holds this text. Its name says what it holds, so that the command line of a running
 * dnsmasq says which configuration it has read.
 */
export function configFile(paths: RuntimePaths, config: string): string {
  return path.join(paths.folder, `dnsmasq-${createHash('sha256').update(config).digest('hex').slice(0, 12)}.conf`);
}

/** Whether a file is a configuration of these paths, of whatever content. */
export function isConfigFile(paths: RuntimePaths, file: string): boolean {
  return path.dirname(file) === paths.folder && /^dnsmasq-[0-9a-f]{12}\.conf$/.test(path.basename(file));
}

/**
 * Makes the folder. Its parents can be passed through by all and listed by none; the folder itself is open to the group
 * of the account that dnsmasq runs as, which has to read the hosts files again.
 */
export async function makeRuntimeFolder(paths: RuntimePaths, gid: number): Promise<void> {
  const root = path.dirname(paths.folder);
  const parent = path.dirname(root);
  // The umask may take away what is meant. A parent that was there before is not ours to change.
  if ((await mkdir(parent, { recursive: true })) !== undefined) await chmod(parent, 0o711);
  await mkdir(paths.folder, { recursive: true, mode: 0o700 });
  await allow(root, 0o711);
  await allow(paths.folder, 0o750, gid);
}

async function allow(folder: string, mode: number, gid?: number): Promise<void> {
  const now = await stat(folder);
  if (gid !== undefined && now.gid !== gid) await chown(folder, -1, gid);
  if ((now.mode & 0o7777) !== mode) await chmod(folder, mode);
}

export async function removeRuntimeFolder(paths: RuntimePaths): Promise<void> {
  // Another process of the host may write into it meanwhile: then once more.
  await rm(paths.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
}
