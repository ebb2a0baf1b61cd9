import { crc32 } from 'node:zlib';

/*
 * Records of the write-ahead log. A record is a frame around JSON text:
 *
 *   bytes 0-3   CRC-32 of bytes 4 to the end, continued from the CRC-32 of the record before it
 *   bytes 4-7   length of the text in bytes
 *   bytes 8-    text: [revision, [[key, value], …], [deleted key, …]], in UTF-8
 *
 * The chain of CRCs begins with that of the file's header, which contains random bytes. So neither a remainder of
 * overwritten records nor text that an instance chooses can follow a record. Integers are unsigned and little-endian.
 */

/** An entry: its key, its value as JSON text, and the version if it is not the revision of the record. */
export type LoggedPut = readonly [key: string, value: string, version?: number];

/** The writes of one commit, or a part of a snapshot. */
export interface LogRecord {
  revision: number;
  puts: readonly LoggedPut[];
  deletes: readonly string[];
}

/** A point in a log after a whole record: its offset, and the CRC of the record before it. */
export interface LogPoint {
  tail: number;
  chain: number;
}

/** Bytes before the text of a record. */
export const FRAME_BYTES = 8;

/** Encodes a record. The values are JSON text already. */
export function encodeRecord({ revision, puts, deletes }: LogRecord, chain: number): { bytes: Buffer; chain: number } {
  const entries = puts.map(([key, value, version]) => {
    return `[${JSON.stringify(key)},${value}${version === undefined ? '' : `,${version}`}]`;
  });
  return frame(Buffer.from(`[${revision},[${entries.join(',')}],${JSON.stringify(deletes)}]`), chain);
}

/** Returns the record with a text, as the successor of the record with the CRC `chain`. */
export function frame(text: Uint8Array, chain: number): { bytes: Buffer; chain: number } {
  const bytes = Buffer.allocUnsafe(FRAME_BYTES + text.length);
  bytes.writeUInt32LE(text.length, 4);
  bytes.set(text, FRAME_BYTES);
  const own = crc32(bytes.subarray(4), chain);
  bytes.writeUInt32LE(own, 0);
  return { bytes, chain: own };
}

/**
 * Yields the texts of the whole records of a buffer, and the point after each. Ends before the first bytes that are not
 * the successor of the record before.
 * @param from the point of the log at which the buffer begins
 */
export function* readFrames(buffer: Buffer, from: LogPoint): Generator<{ text: Buffer; end: LogPoint }> {
  let { tail, chain } = from;
  for (let at = 0; at + FRAME_BYTES <= buffer.length; ) {
    const end = at + FRAME_BYTES + buffer.readUInt32LE(at + 4);
    if (end === at + FRAME_BYTES || end > buffer.length) return;
    const own = crc32(buffer.subarray(at + 4, end), chain);
    if (own !== buffer.readUInt32LE(at)) return;
    tail += end - at;
    chain = own;
    yield { text: buffer.subarray(at + FRAME_BYTES, end), end: { tail, chain } };
    at = end;
  }
}

/** Decodes the text of a record. */
export function decodeRecord(text: Buffer): LogRecord {
  const [revision, puts, deletes] = JSON.parse(text.toString()) as [number, [string, unknown, number?][], string[]];
  return {
    revision,
    puts: puts.map(([key, value, version]) => [key, JSON.stringify(value), version ?? revision] as const),
    deletes,
  };
}
