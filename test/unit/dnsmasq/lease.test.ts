import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildRelease, parseLeases } from '../../../src/dnsmasq/index.js';
import { withoutLeases } from '../../../src/dnsmasq/lease.js';

const file = `1795519788 02:00:00:00:00:01 172.16.0.10 web 01:02:00:00:00:00:01
0 02:00:00:00:00:02 172.16.0.11 * *
1795519788 06-02:00:00:00:00:03 172.16.0.12 odd *
duid 00:01:00:01:2a:3b
1795519788 7 fd00::1 web 00:01
torn 02:00
1795519788 02:00:00:00:00:04
`;

describe('the lease file', () => {
  it('is read, and what is no IPv4 lease is passed over', () => {
    expect(parseLeases(file)).toEqual([
      {
        expires: 1795519788,
        mac: '02:00:00:00:00:01',
        address: '172.16.0.10',
        hostname: 'web',
        clientId: '01:02:00:00:00:00:01',
      },
      { expires: 0, mac: '02:00:00:00:00:02', address: '172.16.0.11' },
    ]);
    expect(parseLeases('')).toEqual([]);
  });

  it('never makes the reader fail', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(parseLeases(text)).toBeInstanceOf(Array);
        // What is in lines of their own is read, whatever is beside them.
        expect(parseLeases(`${file}\n${text}`)).toEqual(expect.arrayContaining(parseLeases(file)));
      }),
    );
  });

  it('loses the unwanted lease and nothing else', () => {
    const left = withoutLeases(file, (lease) => lease.address === '172.16.0.11');
    expect(left).toBe(file.replace(/^0 .*\n/m, ''));
  });
});

describe('a DHCPRELEASE', () => {
  const lease = { mac: '02:00:00:bd:cd:9b', address: '172.16.0.232', clientId: 'ff:01:02' };
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

  it('is this, byte for byte', () => {
    const message = buildRelease(lease, '172.16.0.1', 0x01020304);
    const header = `01010600 01020304 00000000 ac1000e8 ${'00000000'.repeat(3)} 020000bdcd9b ${'00'.repeat(10 + 192)}`;
    const options = '63825363 350107 3604ac100001 3d03ff0102 ff';
    expect(message.length).toBe(300);
    expect(hex(message)).toBe((header + options).replaceAll(' ', '').padEnd(600, '0'));
  });

  it('has no client id if the lease has none', () => {
    const message = buildRelease({ mac: lease.mac, address: lease.address }, '172.16.0.1', 1);
    expect(hex(message.subarray(236))).toBe(`638253633501073604ac100001${'ff'.padEnd(102, '0')}`);
  });

  it('grows with a long client id', () => {
    const clientId = Array(200).fill('ab').join(':');
    expect(buildRelease({ ...lease, clientId }, '172.16.0.1', 1).at(-1)).toBe(255);
  });
});
