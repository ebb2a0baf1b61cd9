import type { Namespace } from 'etcd3';
import { encodeKey, encodeValue } from '../encode.js';
import type { Commit } from '../store.js';
import { REVISION_KEY } from './reflector.js';

/** Operations per transaction. etcd's limit is 128 (`--max-txn-ops`), counted for each level of nested transactions. */
const MAX_OPERATIONS = 60;

/** A commit with checked keys and values as JSON text. */
export interface EncodedCommit {
  conditions: readonly { key: string; version: number }[];
  puts: readonly { key: string; value: string }[];
  deletes: readonly string[];
}

/** Encodes and checks a commit before anything is sent. @throws ValidationError */
export function encodeCommit({ conditions, puts, deletes }: Commit): EncodedCommit {
  for (const key of [...conditions.map(({ key }) => key), ...puts.map(({ key }) => key), ...deletes]) encodeKey(key);
  return {
    conditions,
    puts: puts.map(({ key, value }) => ({ key, value: encodeValue(key, value) })),
    deletes,
  };
}

/** Sends a commit as one etcd transaction, which also writes the token to the revision key. */
export async function sendCommit(keys: Namespace, { conditions, puts, deletes }: EncodedCommit, token: string) {
  const writes = await Promise.all([
    ...puts.map(({ key, value }) => keys.put(key).value(value).op()),
    ...deletes.map((key) => keys.delete().key(key).op()),
    putToken(keys, token).op(),
  ]);
  // etcd3 requires at least one condition. This one always holds.
  let builder = keys.if(REVISION_KEY, 'Mod', '>', -1);
  for (const { key, version } of conditions) builder = builder.and(key, 'Mod', '==', version);
  if (writes.length <= MAX_OPERATIONS) return builder.then(...writes).commit();
  const parts = Array.from({ length: Math.ceil(writes.length / MAX_OPERATIONS) }, (_, index) => ({
    request_txn: { success: writes.slice(index * MAX_OPERATIONS, (index + 1) * MAX_OPERATIONS) },
  }));
  return builder.then(...parts).commit();
}

/** The write that identifies a commit. Every transaction contains it. */
export const putToken = (keys: Namespace, token: string) => keys.put(REVISION_KEY).value(token);
