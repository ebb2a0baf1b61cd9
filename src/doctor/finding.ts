import type { Kernel } from '../kernel/kernel.js';
import type { NamespaceRef } from '../kernel/namespace.js';

/** Something on a machine that keeps networks from working, or may do so. */
export interface Finding {
  /** `error`: networks don't work, or not all of them. `warning`: traffic may be lost. `note`: worth knowing. */
  severity: 'error' | 'warning' | 'note';
  /** Stable, machine-readable: `forward-drop`, `bridge-netfilter`, … */
  code: string;
  /** What it is about: a capability, a program, a chain, a sysctl, a file. */
  subject: string;
  /** What is wrong, in words. */
  problem: string;
  /** What can be done about it. */
  remedy: string;
}

/** What is looked at. */
export interface CheckContext {
  kernel: Kernel;
  /** The namespace that stands for the host; the process's own if absent. */
  netns: NamespaceRef | undefined;
  egressNic: string | undefined;
  vxlanPort: number;
  /** Where the machine's files are: `/`. */
  root: string;
}

/** One thing that can be wrong. */
export type Check = (context: CheckContext) => Promise<Finding[]>;
