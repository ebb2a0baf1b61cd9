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
