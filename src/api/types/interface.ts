import type { Json } from '../../store/store.js';
import type { InterfaceCounters } from './counters.js';
import type { InterfaceInfo } from './interface-info.js';
import type { MigrateOptions, MigrationInfo } from './migration.js';
import type { RemoveOptions } from './remove-options.js';

/** A handle of an interface. */
export interface Interface {
  readonly uuid: string;
  /** Information as of the last call through this handle. */
  readonly info: InterfaceInfo;
  /** Reads `info` again. @throws NotFoundError */
  refresh(): Promise<InterfaceInfo>;
  /** Reads the counters. @throws ConflictError if the interface is on another node of the cluster */
  counters(): Promise<InterfaceCounters>;
  /**
   * Adds a floating address to the interface and resolves to it. Default: a random free one. If `signal` is aborted,
   * the address is released again.
   * @throws ConflictError if the network has no NAT, or the interface has another floating address
   */
  float(options?: { address?: string; signal?: AbortSignal }): Promise<string>;
  /**
   * Removes the floating address, and its connections from conntrack. Does nothing if there is none.
   * @see RemoveOptions
   */
  defloat(options?: RemoveOptions): Promise<void>;
  /**
   * Prepares the migration of the interface to another node of a cluster: the target gets its link, and nothing passes it.
   * The interface keeps its UUID, MAC, addresses, guard and counters. A detach aborts the migration.
   * @throws ValidationError, NotFoundError for the node, ConflictError if it is gone, or is the present one, or the
   *   interface is being migrated or belongs to a pool; on a lone host; CapacityError, NodeError, NodeTimeoutError
   */
  migrate(options: MigrateOptions): Promise<Migration>;
  /** Returns the present migration of the interface, of any process; undefined if there is none. */
  migration(): Promise<Migration | undefined>;
  /** Removes the interface. Does nothing if it does not exist. @see RemoveOptions */
  detach(options?: RemoveOptions): Promise<void>;
  /** Replaces the metadata. */
  setMetadata(metadata: Record<string, Json>): Promise<void>;
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
