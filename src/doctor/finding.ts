import type { Kernel } from '../kernel/kernel.js';
import type { NamespaceRef } from '../kernel/namespace.js';

/** A problem of a machine that prevents or may prevent networks from working. */
export interface Finding {
  /** `error`: networks don't work, or not all of them. `warning`: traffic may be lost. `note`: information. */
  severity: 'error' | 'warning' | 'note';
  /** Stable, machine-readable: `forward-drop`, `bridge-netfilter`, … */
  code: string;
  /** The object of the finding: a capability, program, chain, sysctl or file. */
  subject: string;
  /** Description of the problem. */
  problem: string;
  /** What to do about it. */
  remedy: string;
}

/** The input of all checks. */
export interface CheckContext {
  kernel: Kernel;
  /** Network namespace that represents the host. Default: the namespace of the process. */
  netns: NamespaceRef | undefined;
  egressNic: string | undefined;
  vxlanPort: number;
  /** Root folder of the machine's files, normally `/`. */
  root: string;
}

/** A check for one kind of problem. */
export type Check = (context: CheckContext) => Promise<Finding[]>;
