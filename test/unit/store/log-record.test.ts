import { describe, expect, test } from 'vitest';
import { decodeRecord, encodeRecord, type LogRecord, readFrames } from '../../../src/store/log-record.js';

const START = { tail: 16, chain: 0x12345678 };

const records: LogRecord[] = [
  { revision: 7, puts: [['network/a', '{"name":"ä\\u0000","n":1}']], deletes: [] },
  { revision: 8, puts: [], deletes: ['network/a', 'ключ'] },
  { revision: 8, puts: [['x', '"text"', 3]], deletes: [] },
];

function encoded(list: readonly LogRecord[], start = START.chain) {
  let chain = start;
  const parts = list.map((record) => {
    const { bytes, chain: next } = encodeRecord(record, chain);
    chain = next;
    return bytes;
  });
  return { parts, bytes: Buffer.concat(parts) };
}

const read = (bytes: Buffer, from = START) => Array.from(readFrames(bytes, from), ({ text }) => decodeRecord(text));

describe('records of the log', () => {
  test('are read as they were written, with the version of each entry', () => {
    const { bytes, parts } = encoded(records);
    expect(read(bytes)).toEqual([
      { revision: 7, puts: [['network/a', '{"name":"ä\\u0000","n":1}', 7]], deletes: [] },
      { revision: 8, puts: [], deletes: ['network/a', 'ключ'] },
      { revision: 8, puts: [['x', '"text"', 3]], deletes: [] },
    ]);
    const ends = Array.from(readFrames(bytes, START), ({ end }) => end.tail - START.tail);
    expect(ends).toEqual(parts.map((_, index) => Buffer.concat(parts.slice(0, index + 1)).length));
  });

  test('end at every possible cut, with the whole records before it', () => {
    const { bytes, parts } = encoded(records);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const whole = parts.filter((_, index) => Buffer.concat(parts.slice(0, index + 1)).length <= cut).length;
      expect(read(bytes.subarray(0, cut))).toHaveLength(whole);
      const padded = Buffer.concat([bytes.subarray(0, cut), Buffer.alloc(100)]);
      expect(read(padded)).toHaveLength(whole);
    }
  });

  test('end at every changed bit', () => {
    const { bytes, parts } = encoded(records);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes);
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      const whole = parts.filter((_, index) => Buffer.concat(parts.slice(0, index + 1)).length * 8 <= bit).length;
      expect(read(changed)).toHaveLength(whole);
    }
  });

  test('do not follow another record of the same length, nor another header', () => {
    const first = (value: string): LogRecord => ({ revision: 1, puts: [['key', value]], deletes: [] });
    const second: LogRecord = { revision: 2, puts: [['stale', '1']], deletes: [] };
    const old = encoded([first('"old"'), second]);
    const now = encoded([first('"now"')]);
    expect(now.parts[0]?.length).toBe(old.parts[0]?.length);
    // Control: the old bytes have two records.
    expect(read(old.bytes)).toHaveLength(2);
    expect(read(Buffer.concat([now.bytes, ...old.parts.slice(1)]))).toHaveLength(1);
    expect(read(old.bytes, { ...START, chain: START.chain + 1 })).toHaveLength(0);
  });
});
