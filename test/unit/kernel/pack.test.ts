import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { packed } from '../../../src/kernel/pack.js';
import { anyText } from '../../support/texts.js';

const hex = (value: unknown) => packed(value, (bytes) => Buffer.from(bytes).toString('hex'));

describe('packed values', () => {
  // native/test/unpack_test.cc reads the same bytes.
  test.each<[what: string, value: unknown, bytes: string]>([
    ['nothing', null, '00'],
    ['undefined', undefined, '00'],
    ['false', false, '01'],
    ['true', true, '02'],
    ['a small number', -2, '03feffffff'],
    ['a large number', 2 ** 31, '04000000000000e041'],
    ['a fraction', 0.5, '04000000000000e03f'],
    ['a signed BigInt', -1n, '05ffffffffffffffff'],
    ['an unsigned BigInt', 2n ** 64n - 1n, '06ffffffffffffffff'],
    ['a BigInt beyond 64 bits', 2n ** 64n, `0b17000000${Buffer.from('a BigInt beyond 64 bits').toString('hex')}`],
    ['a text', 'eth0', '070400000065746830'],
    ['a text that is not ASCII', 'é€', '0705000000c3a9e282ac'],
    ['bytes', Uint8Array.of(1, 255), '080200000001ff'],
    ['a list', [1, 'a'], '0902000000' + '0301000000' + '070100000061'],
    ['a map', { up: true, mtu: undefined }, '0a02000000' + '020000007570' + '02' + '030000006d7475' + '00'],
    ['a function', () => 1, `0b0a000000${Buffer.from('a function').toString('hex')}`],
  ])('%s', (_, value, bytes) => {
    expect(hex(value)).toBe(bytes);
  });

  test('arrays are written with their real length, whatever their class returns', () => {
    class Liar extends Uint8Array {
      override get length(): number {
        return 1_000_000;
      }
      override get byteLength(): number {
        return 1_000_000;
      }
    }
    expect(hex(new Liar([1, 2]))).toBe('08020000000102');
    const proxied = (length: unknown) => new Proxy([5], { get: (_, key) => (key === 'length' ? length : 5) });
    expect(hex(proxied(1.9))).toBe('0901000000' + '0305000000');
    expect(hex(proxied('many'))).toBe('0900000000');
    expect(hex(proxied(-1))).toContain(Buffer.from('too much').toString('hex'));
  });

  test('a getter can pack another value during packing', () => {
    const nested = {
      get inner() {
        expect(hex('other')).toBe('07050000006f74686572');
        return 'a'.repeat(3);
      },
    };
    expect(hex(nested)).toBe('0a01000000' + '05000000696e6e6572' + '0703000000616161');
  });

  test('a getter that throws leaves no partial data', () => {
    const trap = {
      get trap(): never {
        throw new Error('mine');
      },
    };
    expect(() => hex([1, trap])).toThrow('mine');
    expect(hex(1)).toBe('0301000000');
  });

  test('strings and lists of all sizes are packed', () => {
    fc.assert(
      fc.property(anyText({ maxLength: 300 }), fc.nat(20), (text, count) => {
        const one = Buffer.from(text);
        const length = (value: number) => {
          const bytes = Buffer.alloc(4);
          bytes.writeUInt32LE(value);
          return bytes.toString('hex');
        };
        const each = `07${length(one.length)}${one.toString('hex')}`;
        expect(hex(new Array(count).fill(text))).toBe(`09${length(count)}${each.repeat(count)}`);
      }),
    );
    const long = 'ü'.repeat(3 << 20);
    packed([long, 1], (bytes) => expect(bytes.length).toBe(5 + 5 + 2 * long.length + 5));
    expect(hex('short again')).toBe(`070b000000${Buffer.from('short again').toString('hex')}`);
  });
});
