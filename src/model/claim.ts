import { readFileSync } from 'node:fs';

/** The process that is at work on a record. A process id alone does not name one: ids are used again. */
export type Claim = {
  pid: number;
  /** When it started, in clock ticks since boot, and which boot that was. */
  started: string;
};

/** Field 22 of /proc/<pid>/stat; the second field, in parentheses, may hold anything. */
const START_TIME = 22 - 3;

function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[START_TIME];
    return `${start}@${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()}`;
  } catch {
    return undefined;
  }
}

let own: Claim | undefined;

/** This process's claim. */
export function claim(): Claim {
  own ??= { pid: process.pid, started: startOf(process.pid) ?? '' };
  return own;
}

/** True if the process that made the claim is still there. */
export function isHeld(claim: Claim | undefined): boolean {
  return claim !== undefined && startOf(claim.pid) === claim.started;
}
