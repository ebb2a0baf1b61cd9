import { tracingChannel } from 'node:diagnostics_channel';
import type { NamespaceRef } from './namespace.js';
import type { Operation } from './operation.js';

/** Message of the channel `vethwork:kernel`: operations that are submitted together. */
export interface KernelTrace {
  /** A roll-back is reported as a teardown. */
  action: 'transaction' | 'teardown';
  operations: readonly Operation[];
}

/** Message of the channel `vethwork:process`: a program that runs in a namespace. */
export interface ProcessTrace {
  file: string;
  arguments: readonly string[];
  netns: NamespaceRef | undefined;
}

/** Tracing channels (`node:diagnostics_channel`). */
export const kernelChannel = tracingChannel<KernelTrace, KernelTrace>('vethwork:kernel');
export const processChannel = tracingChannel<ProcessTrace, ProcessTrace>('vethwork:process');
