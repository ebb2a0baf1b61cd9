import type { Commit, Entry, Json, Store } from '../store.js';
import type { StorePosition } from './reflector.js';
import type { Change } from './replica.js';

/** A store that the nodes of a cluster share. */
export interface ClusterStore extends Store {
  /** URLs of the servers, for messages. */
  readonly location: string;
  /** Revision of the last commit, of any client, that the replica contains. Reads are of this revision. */
  readonly revision: number;
  /** Commits as `commit` does. Resolves to the new revision, or to undefined if a condition did not hold. */
  commitAt(commit: Commit): Promise<number | undefined>;
  /** Time of the last successful contact with the server. Undefined while the server can be reached. */
  readonly outdatedSince: Date | undefined;
  /** Registers a listener for the loss and the return of the connection. Returns a function that removes the listener. */
  onOutage(listener: (isOut: boolean) => void): () => void;
  /** Registers a listener for changes, in the order of their revisions. Returns a function that removes the listener. */
  onChange(listener: (changes: readonly Change[]) => void): () => void;
  /** Revision and history that the replica has reached. */
  readonly position: StorePosition;
  /**
   * Resolves to whether the present content descends from a position that was seen earlier. False if the server was restored
   * from an older copy, even if it has advanced past the earlier revision since. True if etcd has compacted that revision.
   */
  descendsFrom(seen: StorePosition): Promise<boolean>;
  /**
   * Registers a listener for a regression: the server has an older history than the replica. The listener is called before
   * the older content is reported as changes. Returns a function that removes the listener.
   */
  onRegression(listener: () => void): () => void;
  /** Keys whose values are not JSON. Reads of such a key return its last valid value, or nothing if there was none. */
  readonly damaged: readonly string[];
  /** True if the value of a key is not JSON and no valid value has been seen before. */
  isUnknown(key: string): boolean;
  /** Reads from the replica, without a request to the server. The value is frozen: it is parsed once, for all readers. */
  peek<Value extends Json>(key: string): Entry<Value> | undefined;
  peekList<Value extends Json>(prefix: string): Entry<Value>[];
  /**
   * Writes an entry with a lease that this process renews. etcd deletes the entry `ttl` milliseconds after the last renewal;
   * etcd counts whole seconds, so the value is rounded up. Resolves to undefined if the key's version is not the given one
   * (0: the key must not exist).
   */
  putWithLease(key: string, value: Json, options: { ttl: number; version: number }): Promise<LeasedEntry | undefined>;
}

/** An entry that exists as long as its lease is renewed. */
export interface LeasedEntry {
  /** Registers the listener that is called once if the lease expires although this process renewed it. */
  onLost(listener: () => void): void;
  /** Changes the value. The lease stays the same. */
  update(value: Json): Promise<void>;
  /** Stops the renewal. The entry is deleted when the lease expires, or at once with `remove`. */
  release(options?: { remove: boolean }): Promise<void>;
}
