import { KernelError, ValidationError } from '../errors.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Operation } from '../kernel/operation.js';
import { neighbourThresholds } from '../plan/neighbour-table.js';

/**
 * What is to be done for the machine's neighbour table to take at least so many entries. All namespaces share it, and its
 * settings are in the machine's first network namespace only: that of this process is asked, whatever stands for the host.
 * @throws ValidationError where this process is in another one
 */
export async function raiseNeighbourTable(kernel: Pick<Kernel, 'query'>, entries: number): Promise<Operation[]> {
  const missing: Operation[] = [];
  for (const { key, value } of neighbourThresholds(entries)) {
    if (Number(await read(kernel, key, entries)) < value) missing.push({ op: 'sysctl.set', key, value });
  }
  return missing;
}

async function read(kernel: Pick<Kernel, 'query'>, key: string, entries: number): Promise<string> {
  try {
    return await kernel.query('sysctl.get', { key });
  } catch (error) {
    if (!(error instanceof KernelError && error.code === 'ENOENT')) throw error;
    const expected =
      "none here: only a process in the machine's first network namespace can change the neighbour table";
    throw new ValidationError('neighbourTable', entries, expected);
  }
}
