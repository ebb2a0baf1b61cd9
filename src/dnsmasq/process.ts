import { access, constants, readdir, readlink, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MissingProgramError } from '../errors.js';
import { isGone, readIfThere } from './files.js';
import { isConfigFile, type RuntimePaths } from './paths.js';

/** A running process: a pid may be used again, a pid with its start time is not. */
export interface ProcessIdentity {
  pid: number;
  /** In clock ticks since boot. */
  startTime: string;
}

/** The option that names the configuration file, by which a running dnsmasq is known. */
export const CONFIG_OPTION = '--conf-file=';

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
  const hint = await hintedPid(paths);
  const inode = await namespaceInode(namespacePath(netns));
  const hinted = hint === undefined ? undefined : await identify(hint, paths, inode);
  if (hinted?.inNamespace) return hinted;
  return (await findAllDnsmasqs(paths, netns)).find((found) => found.inNamespace);
}

/** Every dnsmasq that has read a configuration of these paths, the one in the pid file first. */
export async function findAllDnsmasqs(paths: RuntimePaths, netns: string): Promise<Found[]> {
  const hint = await hintedPid(paths);
  const inode = await namespaceInode(namespacePath(netns));
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry)).map(Number);
  const found = (await Promise.all(pids.map((pid) => identify(pid, paths, inode)))).filter(
    (each) => each !== undefined,
  );
  return found.sort((a, b) => Number(b.pid === hint) - Number(a.pid === hint));
}

async function hintedPid(paths: RuntimePaths): Promise<number | undefined> {
  const pid = Number.parseInt((await readIfThere(paths.pid)) ?? '', 10);
  return pid > 0 ? pid : undefined;
}

async function identify(pid: number, paths: RuntimePaths, namespace: number | undefined): Promise<Found | undefined> {
  const folder = `/proc/${pid}`;
  const argument = (await readIfThere(`${folder}/cmdline`))?.split('\0').find((each) => each.startsWith(CONFIG_OPTION));
  const config = argument?.slice(CONFIG_OPTION.length);
  if (config === undefined || !isConfigFile(paths, config)) return undefined;
  const startTime = await readStartTime(pid);
  if (startTime === undefined || !(await isDnsmasq(folder))) return undefined;
  const inode = await namespaceInode(`${folder}/ns/net`);
  return { pid, startTime, config, inNamespace: inode !== undefined && inode === namespace };
}

async function isDnsmasq(folder: string): Promise<boolean> {
  // After an upgrade the link reads "/usr/sbin/dnsmasq (deleted)". The name says less, but everybody may read it.
  const program = await readlink(`${folder}/exe`).catch(() => readIfThere(`${folder}/comm`));
  return program !== undefined && /^dnsmasq\b/.test(path.basename(program));
}

/** Whether that very process still runs. */
export async function isRunning({ pid, startTime }: ProcessIdentity): Promise<boolean> {
  return (await readStartTime(pid)) === startTime;
}

/** `undefined` if the process has ended, or has ended and waits for its parent to notice. */
async function readStartTime(pid: number): Promise<string | undefined> {
  const text = await readIfThere(`/proc/${pid}/stat`);
  // Field 2, the name, may hold anything, parentheses included; fields 3 (state) and 22 (start time) follow it.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
  return fields === undefined || fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

/** Sends a signal if that very process still runs. */
export async function signal(identity: ProcessIdentity, name: NodeJS.Signals): Promise<boolean> {
  if (!(await isRunning(identity))) return false;
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
    if (!(await signal(identity, name))) return;
    const end = Date.now() + PATIENCE;
    while (Date.now() < end) {
      if (!(await isRunning(identity))) return;
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

function namespacePath(netns: string): string {
  return netns.startsWith('/') ? netns : `/run/netns/${netns}`;
}

async function namespaceInode(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).ino;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}
