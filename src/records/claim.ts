import { readFileSync } from 'node:fs';

/** The process that changes a record. The kernel reuses process ids, so the start time is part of the identity. */
export type Claim = {
  /** Name of the node of the process; absent on a lone host. */
  node?: string;
  pid: number;
  /** `<start time>@<boot id>`; the start time is in clock ticks since boot (proc_pid_stat(5)). */
  started: string;
  /** Id of the process's presence in its state folder (`Presence`). Absent in claims of earlier versions. */
  lock?: string;
};

/** Fields of /proc/<pid>/stat (proc_pid_stat(5)), counted from the third: the second, `comm`, may contain spaces. */
const STATE = 3 - 3;
const THREADS = 20 - 3;
const START_TIME = 22 - 3;

/** Returns the start time of a process; undefined if the process does not exist or is a zombie. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // The main thread may be a zombie while other threads still execute system calls.
    if (/[ZX]/.test(fields[STATE] ?? '') && Number(fields[THREADS]) <= 1) return undefined;
    const start = fields[START_TIME];
    return `${start}@${bootOf()}`;
  } catch {
    return undefined;
  }
}

let boot: string | undefined;

/** Returns the boot id of this machine (random(4)). It cannot change while this process runs. */
function bootOf(): string {
  boot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  return boot;
}

let own: Claim | undefined;

/** Returns the identity of this process. */
export function claim(): Claim {
  own ??= { pid: process.pid, started: startOf(process.pid) ?? '' };
  return own;
}

/** True if the process that made the claim runs on this machine, in the PID namespace of this process. */
export function isProcessAlive(claim: Claim): boolean {
  return startOf(claim.pid) === claim.started;
}

/** True if the process that made the claim began before the last boot of this machine. */
export function isOfEarlierBoot(claim: Claim): boolean {
  return claim.started !== '' && !isOfThisBoot(claim);
}

/** True if the process that made the claim began since the last boot of this machine. */
export function isOfThisBoot(claim: Claim): boolean {
  return claim.started.endsWith(`@${bootOf()}`);
}
