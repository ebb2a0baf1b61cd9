import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

/** What the addon can make go wrong (native/netlink/faults.h). */
const KINDS = ['refuse', 'loseAnswer', 'cutAnswer', 'interruptDump', 'kill'] as const;
export type FaultKind = (typeof KINDS)[number];

interface Addon {
  /** Only with `VETHWORK_FAULTS` in the environment. */
  fault(kind: number, countdown: number, errno: number): boolean;
}

const require = createRequire(import.meta.url);
/** The very instance that the library has loaded. */
const addon = (require('node-gyp-build') as (folder: string) => Addon)(
  fileURLToPath(new URL('../..', import.meta.url)),
);

export type Errno = 'ENOMEM' | 'EBUSY' | 'EEXIST' | 'EPERM' | 'ENOBUFS';

/**
 * The countdown's step from now on goes wrong, once; a step is a netlink message, or an operation that is system calls.
 * 0 takes the fault back.
 * @returns whether the fault that was armed before has not happened
 */
export function armFault(kind: FaultKind, countdown: number, errno: Errno = 'ENOMEM'): boolean {
  return addon.fault(KINDS.indexOf(kind), countdown, constants.errno[errno]);
}
