/**
 * Where vethwork remembers. Keys are paths (`network/<uuid>`), values are JSON. Two implementations share one
 * conformance suite: lmdb (one machine, any number of processes) and etcd (a cluster).
 */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

export interface Entry<Value extends Json = Json> {
  key: string;
  value: Value;
  /** Changes with every write of the key; what `commit` compares. */
  version: number;
}

/** What one commit needs to be true, and what it then writes. All or nothing, durable when it resolves. */
export interface Commit {
  /** `version: 0`: the key must not exist. */
  conditions: readonly { key: string; version: number }[];
  puts: readonly { key: string; value: Json }[];
  deletes: readonly string[];
}

export interface Store {
  get<Value extends Json>(key: string): Promise<Entry<Value> | undefined>;
  /** Every entry whose key starts with the prefix, in order of keys. */
  list<Value extends Json>(prefix: string): Promise<Entry<Value>[]>;
  /** How many keys start with the prefix. Costs much less than their list. */
  count(prefix: string): Promise<number>;
  /** False if a condition did not hold; nothing is written then. */
  commit(commit: Commit): Promise<boolean>;
  close(): Promise<void>;
}
