import { closeSync, fstatSync, openSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { access, constants, readdir } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { MissingProgramError } from '../errors.js';
import { namespacePath } from '../kernel/namespace.js';
import { isGone } from './files.js';
import { isConfigFile, type RuntimePaths } from './paths.js';

/** A running process: a pid may be used again, a pid with its start time is not. */
export interface ProcessIdentity {
  pid: number;
  /** In clock ticks since boot. */
  startTime: string;
}

/** The option that names the configuration file, by which a running dnsmasq is known. */
export const CONFIG_OPTION = '--conf-file=';

/** How many processes to look at before others get their turn. */
const PIDS_PER_TURN = 64;
const POLL = 5;
const PATIENCE = 2000;

/** A dnsmasq of ours. */
export interface Found extends ProcessIdentity {
  /** The configuration file it has read. */
  config: string;
  /** False if it outlived its namespace, and serves nobody. */
  inNamespace: boolean;
}

/**
 * The dnsmasq that serves these paths in this namespace, or `undefined`. The pid file is only a hint: what counts is
 * the program, its configuration file and the namespace it is in. Without a fitting pid file all processes are looked at.
 */
export async function findDnsmasq(paths: RuntimePaths, netns: string): Promise<Found | undefined> {
  const hinted = findHinted(paths, netns);
  if (hinted?.inNamespace) return hinted;
  return (await findAllDnsmasqs(paths, netns)).find((found) => found.inNamespace);
}

/** The dnsmasq in the pid file, if it is one of ours. Cheap. */
export function findHinted(paths: RuntimePaths, netns: string): Found | undefined {
  const pid = Number.parseInt(read(paths.pid) ?? '', 10);
  if (!(pid > 0)) return undefined;
  const namespace = holdNamespace(netns);
  try {
    return identify(pid, paths, namespace?.inode);
  } finally {
    namespace?.release();
  }
}

/** Every dnsmasq that has read a configuration of these paths. */
export async function findAllDnsmasqs(paths: RuntimePaths, netns: string): Promise<Found[]> {
  const namespace = holdNamespace(netns);
  try {
    const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry)).map(Number);
    const all: Found[] = [];
    for (const [index, pid] of pids.entries()) {
      if (index % PIDS_PER_TURN === 0) await nextTurn();
      const found = identify(pid, paths, namespace?.inode);
      if (found !== undefined) all.push(found);
    }
    return all;
  } finally {
    namespace?.release();
  }
}

function identify(pid: number, paths: RuntimePaths, namespace: number | undefined): Found | undefined {
  const folder = `/proc/${pid}`;
  const argument = read(`${folder}/cmdline`)
    ?.split('\0')
    .find((each) => each.startsWith(CONFIG_OPTION));
  const config = argument?.slice(CONFIG_OPTION.length);
  if (config === undefined || !isConfigFile(paths, config) || !isDnsmasq(folder)) return undefined;
  const startTime = readStartTime(pid);
  if (startTime === undefined) return undefined;
  const inode = inodeOf(`${folder}/ns/net`);
  return { pid, startTime, config, inNamespace: inode !== undefined && inode === namespace };
}

function isDnsmasq(folder: string): boolean {
  return /^dnsmasq\b/.test(programName(folder) ?? '');
}

/** After an upgrade the link reads `/usr/sbin/dnsmasq (deleted)`. The name in `comm` says less, but everybody may read it. */
function programName(folder: string): string | undefined {
  try {
    return path.basename(readlinkSync(`${folder}/exe`));
  } catch {
    return read(`${folder}/comm`);
  }
}

/** Whether that very process still runs. */
export function isRunning({ pid, startTime }: ProcessIdentity): boolean {
  return readStartTime(pid) === startTime;
}

/** `undefined` if the process has ended, or has ended and waits for its parent to notice. */
function readStartTime(pid: number): string | undefined {
  const text = read(`/proc/${pid}/stat`);
  // Field 2, the name, may hold anything, parentheses included; fields 3 (state) and 22 (start time) follow it.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
  return fields === undefined || fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

/** Files in memory: reading them here takes microseconds, handing each to the thread pool five times as long. */
function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Sends a signal if that very process still runs. */
export function signal(identity: ProcessIdentity, name: NodeJS.Signals): boolean {
  if (!isRunning(identity)) return false;
  try {
    return process.kill(identity.pid, name);
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

/** Ends a process and waits until it has ended; by force after two seconds. Already ended is success. */
export async function stopProcess(identity: ProcessIdentity): Promise<void> {
  for (const name of ['SIGTERM', 'SIGKILL'] as const) {
    if (!signal(identity, name)) return;
    const end = Date.now() + PATIENCE;
    while (Date.now() < end) {
      if (!isRunning(identity)) return;
      await sleep(POLL);
    }
  }
}

/**
 * @param folders where to look; PATH, and where Debian has it although many a PATH has not
 * @throws MissingProgramError
 */
export async function findProgram(folders: readonly string[] = programFolders()): Promise<string> {
  for (const folder of folders) {
    const file = path.join(folder, 'dnsmasq');
    const executable = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (executable) return file;
  }
  throw new MissingProgramError('dnsmasq', 'dnsmasq-base');
}

function programFolders(): string[] {
  return [...(process.env.PATH ?? '').split(':').filter(path.isAbsolute), '/usr/local/sbin', '/usr/sbin', '/sbin'];
}

/** The namespace cannot go until it is released, so that no other one gets its inode. `undefined` if there is none. */
function holdNamespace(netns: string): { inode: number; release: () => void } | undefined {
  try {
    const fd = openSync(namespacePath(netns), 'r');
    return { inode: fstatSync(fd).ino, release: () => closeSync(fd) };
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function inodeOf(file: string): number | undefined {
  try {
    return statSync(file).ino;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}
