import type { Json } from '../../store/store.js';
import type { MigrationInfo } from './migration.js';

/** Information about an interface. */
export interface InterfaceInfo {
  uuid: string;
  /** UUID of the network. */
  network: string;
  /** Node on which it is attached. Absent on a lone host. */
  node?: string;
  /** Name of the link in the namespace of the host. */
  device: string;
  attachment: 'tap' | 'veth' | 'device';
  mac: string;
  order: number;
  address: string;
  floating?: string;
  model: string;
  antiSpoofing: boolean;
  allowedAddresses: string[];
  hostname?: string;
  instance?: string;
  /** Path of its network namespace, if it is a slot of the kind `namespace` or `clone`. */
  netns?: string;
  /** UUID of the pool, if it is a slot. */
  pool?: string;
  /**
   * `free`: a slot that no instance has claimed; nothing passes its port.
   * `lost`: the container's namespace or the device does not exist any more. The interface keeps its address until it
   * is detached. A device that appears again is attached again. A new namespace with the same name is not.
   */
  state: 'initial' | 'created' | 'free' | 'deleting' | 'lost';
  /** Reason why the interface is lost. */
  reason?: string;
  /** Present while the interface is moved to another node of the cluster. */
  migration?: MigrationInfo;
  metadata: Record<string, Json>;
  /** Present while the store of a cluster cannot be reached: the information is as of this time (ISO 8601). */
  asOf?: string;
}
