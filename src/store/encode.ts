import { ValidationError } from '../errors.js';
import type { Json } from './store.js';

/** Longest key, in bytes. The limit of lmdb is 1978; that of etcd is far higher. */
const MAX_KEY_BYTES = 1024;

/** Encodes a key as UTF-8. @throws ValidationError */
export function encodeKey(key: string): Buffer {
  const encoded = Buffer.from(key);
  if (encoded.length === 0 || encoded.length > MAX_KEY_BYTES) {
    throw new ValidationError('key', key, `a key of 1 to ${MAX_KEY_BYTES} bytes`);
  }
  return encoded;
}

/** Encodes a value as JSON text. @throws ValidationError */
export function encodeValue(key: string, value: Json): string {
  const encoded = JSON.stringify(value) as string | undefined;
  if (encoded === undefined) throw new ValidationError(key, value, 'a JSON value');
  return encoded;
}
