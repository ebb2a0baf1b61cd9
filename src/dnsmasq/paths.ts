import { createHash } from 'node:crypto';
import { chmod, lstat, mkdir, realpath, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { ConflictError, ValidationError } from '../errors.js';
import { parse, uuid } from '../util/validate.js';
import { share } from './share.js';
import type { Account } from './user.js';

const RUN = '/run/vethwork';
/** In a folder with it, only its owner may remove a file (S_ISVTX, inode(7)). */
const STICKY = 0o1000;

/** Where the files of one network's dnsmasq are. */
export interface RuntimePaths {
  /** The folder of all networks of the host. */
  root: string;
  folder: string;
  /** Whose holder alone starts and stops dnsmasq. Beside the folder: it outlasts that. */
  lock: string;
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
    ...{ root, folder },
    lock: `${folder}.lock`,
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
 * Makes the folder of all dnsmasqs of a host. It and its parent can be passed through by all and listed by none.
 * @throws ConflictError if one of them is in other hands
 */
export async function makeRuntimeRoot({ root }: RuntimePaths): Promise<void> {
  const parent = path.dirname(root);
  // The umask may take away what is meant. A parent that was there before is not ours to change.
  if ((await mkdir(parent, { recursive: true })) !== undefined) await chmod(parent, 0o711);
  await requireSafeParent(parent);
  await makeOwn(root, 0o711);
}

/**
 * Makes a network's folder, which only this user and dnsmasq's account can pass through: dnsmasq reads the hosts files again
 * when it has become that user.
 * @throws ConflictError if it, or a folder above it, is in other hands
 */
export async function makeRuntimeFolder(paths: RuntimePaths, { reader }: Account): Promise<void> {
  await makeRuntimeRoot(paths);
  await makeOwn(paths.folder, reader === undefined ? 0o700 : undefined);
  if (reader !== undefined) await share(paths.folder, reader, { owner: 7, reader: 1 });
}

/** Whoever owns the parent, or may write in it, could put other folders in the place of ours. */
async function requireSafeParent(parent: string): Promise<void> {
  const { uid, mode } = await stat(parent);
  if (uid !== 0 && uid !== process.geteuid?.()) {
    throw new ConflictError(`the folder ${parent} belongs to user ${uid}, who could change what is in it`);
  }
  if ((mode & 0o022) !== 0 && (mode & STICKY) === 0) {
    throw new ConflictError(`other users may write in the folder ${parent} (mode ${(mode & 0o7777).toString(8)})`);
  }
}

async function makeOwn(folder: string, mode: number | undefined): Promise<void> {
  await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  const now = await lstat(folder);
  if (!now.isDirectory() || now.uid !== process.geteuid?.()) {
    throw new ConflictError(`${folder} is no folder of this user (it belongs to user ${now.uid})`);
  }
  if (mode !== undefined && (now.mode & 0o7777) !== mode) await chmod(folder, mode);
}

export async function removeRuntimeFolder(paths: RuntimePaths): Promise<void> {
  // Another process of the host may write into it meanwhile: then once more.
  await rm(paths.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
}
