import type { NamespaceRef } from '../../kernel/namespace.js';

/**
 * Options of a migration. The target has a tap of the same name, unless `tap` or `netns` is given. An interface in a
 * container needs one of them, and so does an attached device.
 */
export interface MigrateOptions {
  /** Name of the target: another node of the cluster, whose agent runs. */
  to: string;
  /** Name of the tap on the target. */
  tap?: string;
  /** User id that may open the tap. Default: as on the source. */
  owner?: number;
  /** Default: as on the source. */
  multiQueue?: boolean;
  /** Namespace of the container on the target: name, path, or process id there. */
  netns?: NamespaceRef;
  /** Name of the link in the container. Default: as on the source, or `eth0`. */
  name?: string;
  /** As of an attach. Default: as on the source. */
  configure?: boolean;
  /** Aborts the preparation. */
  signal?: AbortSignal;
}

/** Information about a migration. */
export interface MigrationInfo {
  /** UUID of the migration. */
  id: string;
  /** UUIDs of the interface and its network. */
  interface: string;
  network: string;
  /** Name of the source. */
  from: string;
  /** Name of the target. */
  to: string;
  /** Name of the link on the target, in the namespace of the host. */
  device: string;
  /**
   * `preparing`: the target is being prepared. `prepared`: its link exists, and its port is closed. `switching`: the source
   * has been asked to close its port. `switched`: the interface is on the target, and is being removed from the source.
   * `aborting`: it is being removed from the target.
   */
  state: 'preparing' | 'prepared' | 'switching' | 'switched' | 'aborting';
}
