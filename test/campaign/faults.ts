import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

/** Fault injection of the addon (native/netlink/faults.h). */
const KINDS = ['refuse', 'loseAnswer', 'cutAnswer', 'interruptDump', 'kill'] as const;
export type FaultKind = (typeof KINDS)[number];

interface Addon {
  /** Available only with `VETHWORK_FAULTS` in the environment. */
  fault(kind: number, countdown: number, errno: number): boolean;
}

const require = createRequire(import.meta.url);
/** The instance of the addon that the library has loaded. */
const addon = (require('node-gyp-build') as (folder: string) => Addon)(
  fileURLToPath(new URL('../..', import.meta.url)),
);

export type Errno = 'ENOMEM' | 'EBUSY' | 'EEXIST' | 'EPERM' | 'ENOBUFS';

/**
 * Arms a fault: the n-th step from now fails once. A step is a netlink message, or an operation that consists of system
 * calls. 0 disarms the fault.
 * @returns true if the previously armed fault has not occurred
 */
export function armFault(kind: FaultKind, countdown: number, errno: Errno = 'ENOMEM'): boolean {
  return addon.fault(KINDS.indexOf(kind), countdown, constants.errno[errno]);
}
