import { accessSync, closeSync, constants, fstatSync, openSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { MissingProgramError } from '../errors.js';
import { namespacePath } from '../kernel/namespace.js';
import { isMissing } from './files.js';
import { isConfigFile, type RuntimePaths } from './paths.js';

/** Identity of a process. A pid may be reused; a pid with its start time is not. */
export interface ProcessIdentity {
  pid: number;
  /** In clock ticks since boot. */
  startTime: string;
}

/** The option with the configuration file. It identifies a running dnsmasq of vethwork. */
export const CONFIG_OPTION = '--conf-file=';

/** Number of processes to check before the event loop continues. */
const PIDS_PER_TURN = 64;
/** Interval of the checks whether a process has ended, in milliseconds. */
const POLL = 1;
/** How long to wait for the end of a process, in milliseconds. */
const PATIENCE = 2000;

/** A running dnsmasq of vethwork. */
export interface RunningDnsmasq extends ProcessIdentity {
  /** Path of its configuration file. */
  config: string;
  /** False if its namespace was deleted, so that it serves no client. */
  inNamespace: boolean;
}

/**
 * Finds the dnsmasq that serves a network in its namespace. It is identified by program, configuration file and
 * namespace. The pid file is tried first; if it does not fit, all processes are searched.
 */
export async function findDnsmasq(paths: RuntimePaths, netns: string): Promise<RunningDnsmasq | undefined> {
  const byPidFile = findByPidFile(paths, netns);
  if (byPidFile?.inNamespace) return byPidFile;
  return (await findAllDnsmasqs(paths, netns)).find((found) => found.inNamespace);
}

/** Finds the dnsmasq of the pid file, if it is one of vethwork. Cheap. */
export function findByPidFile(paths: RuntimePaths, netns: string): RunningDnsmasq | undefined {
  const pid = Number.parseInt(read(paths.pid) ?? '', 10);
  if (!(pid > 0)) return undefined;
  const namespace = pinNamespace(netns);
  try {
    return identify(pid, paths, namespace?.inode);
  } finally {
    namespace?.release();
  }
}

/** Finds every dnsmasq that has read a configuration of this network. */
export async function findAllDnsmasqs(paths: RuntimePaths, netns: string): Promise<RunningDnsmasq[]> {
  const namespace = pinNamespace(netns);
  try {
    const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry)).map(Number);
    const all: RunningDnsmasq[] = [];
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

function identify(pid: number, paths: RuntimePaths, namespace: number | undefined): RunningDnsmasq | undefined {
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

/**
 * Name of a process's program. After an upgrade, the link reads `/usr/sbin/dnsmasq (deleted)`. `comm` is shorter, but
 * readable for everybody.
 */
function programName(folder: string): string | undefined {
  try {
    return path.basename(readlinkSync(`${folder}/exe`));
  } catch {
    return read(`${folder}/comm`);
  }
}

/** True if exactly this process still runs. */
export function isRunning({ pid, startTime }: ProcessIdentity): boolean {
  return readStartTime(pid) === startTime;
}

/** Start time of a process. Undefined if the process has ended or is a zombie. */
function readStartTime(pid: number): string | undefined {
  const text = read(`/proc/${pid}/stat`);
  // Field 2, the name, may contain anything, including parentheses. Fields 3 (state) and 22 (start time) follow it.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
  return fields === undefined || fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

/** Reads a file of procfs synchronously: this takes microseconds, and the thread pool takes five times as long. */
function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Sends a signal if exactly this process still runs. */
export function signal(identity: ProcessIdentity, name: NodeJS.Signals): boolean {
  if (!isRunning(identity)) return false;
  try {
    return process.kill(identity.pid, name);
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/**
 * Stops a process with SIGTERM, and with SIGKILL after two seconds. Resolves when it has ended. Succeeds if it has
 * ended before.
 */
export async function stopProcess(identity: ProcessIdentity): Promise<void> {
  for (const name of ['SIGTERM', 'SIGKILL'] as const) {
    if (!signal(identity, name)) return;
    const end = performance.now() + PATIENCE;
    while (performance.now() < end) {
      if (!isRunning(identity)) return;
      await sleep(POLL);
    }
  }
}

/**
 * Finds the program.
 * @param folders default: PATH, and the folders where Debian installs it although PATH may lack them
 * @throws MissingProgramError
 */
export async function findProgram(folders: readonly string[] = programFolders()): Promise<string> {
  for (const folder of folders) {
    const file = path.join(folder, 'dnsmasq');
    try {
      // Most folders do not have it, and a look into the cache of names takes microseconds.
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not there, or not executable.
    }
  }
  throw new MissingProgramError('dnsmasq', 'dnsmasq-base');
}

function programFolders(): string[] {
  return [...(process.env.PATH ?? '').split(':').filter(path.isAbsolute), '/usr/local/sbin', '/usr/sbin', '/sbin'];
}

/** The namespace cannot go until it is released, so that no other one gets its inode. `undefined` if there is none. */
function pinNamespace(netns: string): { inode: number; release: () => void } | undefined {
  try {
    const fd = openSync(namespacePath(netns), 'r');
    return { inode: fstatSync(fd).ino, release: () => closeSync(fd) };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function inodeOf(file: string): number | undefined {
  try {
    return statSync(file).ino;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
