/**
 * The store holds all persistent state. Keys are paths (`network/<uuid>`), values are JSON. There are two
 * implementations with one conformance suite: lmdb (one machine, any number of processes) and etcd (a cluster).
 */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

export interface Entry<Value extends Json = Json> {
  key: string;
  value: Value;
  /** Changes with every write of the key. `commit` compares it. */
  version: number;
}

/** The conditions and writes of one commit. A commit is atomic. */
export interface Commit {
  /** `version: 0`: the key must not exist. */
  conditions: readonly { key: string; version: number }[];
  puts: readonly { key: string; value: Json }[];
  deletes: readonly string[];
}

export interface Store {
  get<Value extends Json>(key: string): Promise<Entry<Value> | undefined>;
  /** Lists the entries whose keys start with the prefix, sorted by key. */
  list<Value extends Json>(prefix: string): Promise<Entry<Value>[]>;
  /** Counts the keys that start with the prefix. Much cheaper than `list`. */
  count(prefix: string): Promise<number>;
  /**
   * Commits. Resolves when the writes are visible to all processes: to false, without a write, if a condition did not hold.
   */
  commit(commit: Commit): Promise<boolean>;
  /**
   * Resolves when everything that is visible now, of any process, survives a failure of the machine. In etcd, every commit
   * does.
   */
  flush(): Promise<void>;
  close(): Promise<void>;
  /**
   * Reads that may be outdated, without a request. A transaction reads here first: its commit checks what it has read.
   * Absent if reads are cheap.
   */
  readonly replica?: Pick<Store, 'get' | 'count'>;
}
