import { createHash } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, statSync } from 'node:fs';
import { realpath, rm } from 'node:fs/promises';
import path from 'node:path';
import { ConflictError, ValidationError } from '../errors.js';
import { parse, uuid } from '../util/validate.js';
import { share } from './share.js';
import type { Account } from './user.js';

/** Parent of the runtime folders. */
export const RUN = '/run/vethwork';
/** In a folder with this mode bit, only the owner may remove a file (S_ISVTX, inode(7)). */
const STICKY = 0o1000;

/** Paths of the files of one network's dnsmasq. */
export interface RuntimePaths {
  /** The folder of all networks of the host. */
  root: string;
  folder: string;
  /** Lock file. Its holder may start and stop dnsmasq. It is beside the folder, because it outlives the folder. */
  lock: string;
  dhcpHosts: string;
  names: string;
  leases: string;
  /** Log of the running dnsmasq. */
  log: string;
  pid: string;
}

/**
 * Runtime folder of a state folder. Two hosts on one machine have different folders, and every process with the same
 * state folder finds the same dnsmasqs.
 */
export async function runtimeRoot(state: string, run = RUN): Promise<string> {
  return runtimeRootOf(await realpath(state), run);
}

/** Runtime folder of a host that is identified by something else than a state folder. */
export function runtimeRootOf(identity: string, run = RUN): string {
  return path.join(run, createHash('sha256').update(identity).digest('hex').slice(0, 12));
}

/**
 * Paths of a network's files. @throws ValidationError if the root can't be written in a dnsmasq configuration, or the
 * network is not a UUID
 */
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
 * Path of the configuration file with this content. The name contains a hash of the content, so that the command line
 * of a running dnsmasq identifies its configuration.
 */
export function configFile(paths: RuntimePaths, config: string): string {
  return path.join(paths.folder, `dnsmasq-${createHash('sha256').update(config).digest('hex').slice(0, 12)}.conf`);
}

/** True if a file is a configuration of this network, with any content. */
export function isConfigFile(paths: RuntimePaths, file: string): boolean {
  return path.dirname(file) === paths.folder && /^dnsmasq-[0-9a-f]{12}\.conf$/.test(path.basename(file));
}

/**
 * Creates the folder of all dnsmasqs of a host. All users may enter it and its parent; none may list them.
 * @throws ConflictError if one of them belongs to another user
 */
export function makeRuntimeRoot({ root }: RuntimePaths): void {
  const parent = path.dirname(root);
  // chmod, because of the umask. An existing parent is not changed.
  if (mkdirSync(parent, { recursive: true }) !== undefined) chmodSync(parent, 0o711);
  requireSafeParent(parent);
  makeOwn(root, 0o711);
}

/**
 * Creates a network's folder. Only this user and dnsmasq's account may enter it: dnsmasq reads its files again after it
 * has changed its user.
 * @returns false if it existed
 * @throws ConflictError if it, or a folder above it, belongs to another user
 */
export function makeRuntimeFolder(paths: RuntimePaths, { reader }: Account): boolean {
  makeRuntimeRoot(paths);
  const isNew = makeOwn(paths.folder, reader === undefined ? 0o700 : undefined);
  if (reader !== undefined) share(paths.folder, reader, { owner: 7, reader: 1 });
  return isNew;
}

/** Refuses a parent in which other users could replace the folder. */
function requireSafeParent(parent: string): void {
  const { uid, mode } = statSync(parent);
  if (uid !== 0 && uid !== process.geteuid?.()) {
    throw new ConflictError(`the folder ${parent} belongs to user ${uid}, who could change its content`);
  }
  if ((mode & 0o022) !== 0 && (mode & STICKY) === 0) {
    throw new ConflictError(`other users may write in the folder ${parent} (mode ${(mode & 0o7777).toString(8)})`);
  }
}

/** @returns false if the folder existed */
function makeOwn(folder: string, mode: number | undefined): boolean {
  const isNew = makeFolder(folder);
  const now = lstatSync(folder);
  if (!now.isDirectory() || now.uid !== process.geteuid?.()) {
    throw new ConflictError(`${folder} is not a folder of this user (owner: user ${now.uid})`);
  }
  if (mode !== undefined && (now.mode & 0o7777) !== mode) chmodSync(folder, mode);
  return isNew;
}

function makeFolder(folder: string): boolean {
  try {
    mkdirSync(folder, { mode: 0o700 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  }
}

export async function removeRuntimeFolder(paths: RuntimePaths): Promise<void> {
  // Repeated, because another process of the host may write into it meanwhile.
  await rm(paths.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
}
