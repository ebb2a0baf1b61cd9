import { readFileSync } from 'node:fs';

/** The process that is at work on a record. A process id alone does not name one: ids are used again. */
export type Claim = {
  /** Of which node of a cluster. */
  node?: string;
  pid: number;
  /** When it started, in clock ticks since boot, and which boot that was. */
  started: string;
};

/** Fields of /proc/<pid>/stat, counted behind the second, which is in parentheses and may hold anything. */
const STATE = 3 - 3;
const THREADS = 20 - 3;
const START_TIME = 22 - 3;

/** Undefined if there is no such process, or if it has ended and waits for its parent to notice. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // While other threads of it are still in the kernel, what they do there is not over.
    if (/[ZX]/.test(fields[STATE] ?? '') && Number(fields[THREADS]) <= 1) return undefined;
    const start = fields[START_TIME];
    return `${start}@${bootOf()}`;
  } catch {
    return undefined;
  }
}

let boot: string | undefined;

/** No process outlives its machine's boot, so it is read once. */
function bootOf(): string {
  boot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  return boot;
}

let own: Claim | undefined;

/** This process's claim. */
export function claim(node?: string): Claim {
  own ??= { pid: process.pid, started: startOf(process.pid) ?? '' };
  return node === undefined ? own : { node, ...own };
}

/** True if it is this process's claim. */
export const isOwn = ({ pid, started }: Claim): boolean => pid === claim().pid && started === claim().started;

/** True if the process that made the claim is still there. */
export function isHeld(claim: Claim | undefined): boolean {
  return claim !== undefined && startOf(claim.pid) === claim.started;
}

/** True if the process was one of this machine since it was started, and is no more. Of other machines, nothing is known. */
export function hasEnded(claim: Claim): boolean {
  return claim.started.endsWith(`@${bootOf()}`) && !isHeld(claim);
}
