import { KernelError, ValidationError } from '../errors.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Operation } from '../kernel/operation.js';
import { neighbourThresholds } from '../plan/neighbour-table.js';

/**
 * Returns the operations that raise the limits of the neighbour table (`net.ipv4.neigh.default.gc_thresh*`, arp(7)) to
 * at least so many entries. All namespaces of the machine share the table. The sysctls exist only in the initial
 * network namespace, so the namespace of this process is used, not that of the host.
 * @throws ValidationError if this process is in another namespace
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
      "no value: only a process in the machine's initial network namespace can change the neighbour table";
    throw new ValidationError('neighbourTable', entries, expected);
  }
}
