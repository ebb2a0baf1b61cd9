import type { NamespaceRef } from '../../kernel/namespace.js';
import type { Interface } from './interface.js';
import type { MigrationInfo } from './migration-info.js';
import type { RemoveOptions } from './remove-options.js';

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

/**
 * A migration that has been prepared. It is recorded: another process finds it with `Interface.migration`, and can switch
 * or abort it. `await using` aborts it at the end of the block, unless it was switched.
 */
export interface Migration extends AsyncDisposable {
  /** Information as of the preparation. */
  readonly info: MigrationInfo;
  /**
   * Moves the interface to the target. The source closes its port, then one transaction makes the target the owner: the
   * target opens its port, and the other nodes send there. Resolves when all nodes have applied it, and the link of the
   * source is removed. If it rejects before the transaction, the migration stays prepared; `Interface.refresh` tells.
   * @param options.waitForSource true (default): the target opens its port after the source has closed its own. False, for
   *   a source whose machine is lost: at once. If the instance runs on both nodes, both may answer then
   * @throws ConflictError if a node is gone or the migration has ended, NodeTimeoutError, NodeError
   */
  switch(options?: { waitForSource?: boolean; signal?: AbortSignal }): Promise<Interface>;
  /**
   * Removes the target. Does nothing if the migration has been aborted.
   * @throws ConflictError if it has been switched, RemovalError. @see RemoveOptions
   */
  abort(options?: RemoveOptions): Promise<void>;
}
