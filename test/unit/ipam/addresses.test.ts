import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addressFromNumber, addressToHex, addressToNumber } from '../../../src/ipam/address.js';
import { hostMac, parseMac, randomMac } from '../../../src/ipam/mac.js';
import { parseNetblock } from '../../../src/ipam/netblock.js';

test('addresses as numbers and in hexadecimal', () => {
  expect(addressToHex('192.168.15.29')).toBe('c0a80f1d');
  expect(addressToHex('1.2.3.4')).toBe('01020304');
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (number) => {
      expect(addressToNumber(addressFromNumber(number))).toBe(number);
    }),
  );
});

describe('a netblock', () => {
  test.each([
    ['172.16.0.0/24', '172.16.0.0', '172.16.0.1', '172.16.0.255', '255.255.255.0', 256],
    ['192.168.15.64/29', '192.168.15.64', '192.168.15.65', '192.168.15.71', '255.255.255.248', 8],
    ['10.0.0.0/8', '10.0.0.0', '10.0.0.1', '10.255.255.255', '255.0.0.0', 2 ** 24],
    ['172.16.0.0/12', '172.16.0.0', '172.16.0.1', '172.31.255.255', '255.240.0.0', 2 ** 20],
  ])('%s', (cidr, network, gateway, broadcast, mask, size) => {
    expect(parseNetblock('netblock', cidr)).toMatchObject({ cidr, network, gateway, broadcast, mask, size });
  });

  test('contains its addresses and overlaps netblocks with a common address', () => {
    const netblock = parseNetblock('netblock', '172.16.4.0/22');
    expect(['172.16.4.0', '172.16.7.255'].map((address) => netblock.contains(address))).toEqual([true, true]);
    expect(['172.16.3.255', '172.16.8.0'].map((address) => netblock.contains(address))).toEqual([false, false]);
    const overlaps = (cidr: string) => netblock.overlaps(parseNetblock('netblock', cidr));
    expect(['172.16.4.0/22', '172.16.0.0/16', '172.16.7.248/29'].map(overlaps)).toEqual([true, true, true]);
    expect(['172.16.0.0/22', '172.16.8.0/21', '10.0.0.0/8'].map(overlaps)).toEqual([false, false, false]);
  });

  test('names the field and the expected value in errors', () => {
    expect(() => parseNetblock('floatingNetwork', '192.168.15.1/24')).toThrow(
      'floatingNetwork: expected a network without host bits, such as 192.168.15.0/24, got "192.168.15.1/24"',
    );
  });
});

test('MAC addresses', () => {
  const macs = Array.from({ length: 1000 }, randomMac);
  for (const mac of macs) {
    expect(mac).toMatch(/^02:00:00(:[0-9a-f]{2}){3}$/);
    expect(parseMac('mac', mac)).toBe(mac);
  }
  expect(new Set(macs).size).toBeGreaterThan(990);
  expect(hostMac('02:00:00:bd:cd:9b')).toBe('fe:00:00:bd:cd:9b');
});
