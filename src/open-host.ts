import { openNode } from './cluster/open.js';
import type { ClusterHostOptions } from './cluster/options.js';
import { openHost as openMachine } from './model/open-host.js';
import type { Host, HostOptions } from './model/types.js';
import { readOptions } from './util/input.js';

/**
 * Opens a host: a machine by itself, with its state in a folder, or with `store` a node of a cluster. Makes what it needs
 * unless that is there, and repairs what is not as the store has it. Several processes may have the same host open. Close
 * it when done; its networks keep running.
 * @throws ValidationError, NotFoundError for a NIC that is not there, PrivilegeError, ConflictError if the state is that
 * of a host with other NICs or addresses, StoreError if the store can't be reached, KernelError
 */
export async function openHost(options: HostOptions | ClusterHostOptions): Promise<Host> {
  const given = readOptions<HostOptions | ClusterHostOptions>(options);
  if ('store' in given) return (await openNode(given as ClusterHostOptions)).host;
  return openMachine(given as HostOptions);
}
