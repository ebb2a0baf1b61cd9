import { describe, expect, test } from 'vitest';
import { unpacked, unpackedInSteps } from '../../../src/kernel/unpack.js';
import { Turns } from '../../support/turns.js';

const bytes = (digits: string) => Buffer.from(digits.replaceAll(' ', ''), 'hex');

describe('unpacked values', () => {
  // native/test/pack_test.cc writes the same bytes.
  test.each<[what: string, digits: string, value: unknown]>([
    ['nothing', '00', undefined],
    ['false', '01', false],
    ['true', '02', true],
    ['a small number', '03 feffffff', -2],
    ['a large number', '04 000000000000e041', 2 ** 31],
    ['a fraction', '04 000000000000e03f', 0.5],
    ['the least number that is safe', '04 ffffffffffff3fc3', Number.MIN_SAFE_INTEGER],
    ['what no number holds', '05 0000000000002000', 2n ** 53n],
    ['an unsigned BigInt', '06 ffffffffffffffff', 2n ** 64n - 1n],
    ['a text', '07 00000000 05000000 c3a9e282ac', 'é€'],
    ['bytes', '08 02000000 01ff', Uint8Array.of(1, 255)],
    ['what no message can hold', '0b 00000000 01000000 61', 'a'],
    [
      'a text that was met before',
      '09 02000000' +
        '0a 02000000 00000000 02000000 7570 02' +
        '01000000 04000000 6e616d65 07 00000000' +
        '0a 01000000 00000000 00',
      [{ up: true, name: 'up' }, { up: undefined }],
    ],
  ])('%s', async (_, digits, value) => {
    expect(unpacked(bytes(digits))).toStrictEqual(value);
    expect(await unpackedInSteps(bytes(digits))).toStrictEqual(value);
  });

  test('byte arrays are copies of the packed buffer', () => {
    const packed = bytes('08 02000000 01ff');
    const value = unpacked(packed) as Uint8Array;
    packed.fill(0);
    expect(value).toStrictEqual(Uint8Array.of(1, 255));
  });

  test('large values are unpacked in steps that let the event loop run', async () => {
    // A list of one result: the value is a list of 100,000 links.
    const count = 100_000;
    const head = bytes('09 01000000 0a 02000000 00000000 04000000 646f6e65 02 01000000 05000000 76616c7565 09');
    const length = Buffer.alloc(4);
    length.writeUInt32LE(count);
    const [first, each] = [
      bytes('0a 01000000 02000000 02000000 6964 03 07000000'),
      bytes('0a 01000000 02000000 03 07000000'),
    ];
    const packed = Buffer.concat([head, length, first, ...Array.from({ length: count - 1 }, () => each)]);
    const turns = new Turns();
    const value = await unpackedInSteps(packed);
    turns.stop();
    expect(turns.count).toBeGreaterThan(1);
    expect(value).toStrictEqual([{ done: true, value: Array.from({ length: count }, () => ({ id: 7 })) }]);
  });
});
