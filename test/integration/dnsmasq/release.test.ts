import { describe, expect, it } from 'vitest';
import { buildRelease } from '../../../src/dnsmasq/index.js';

describe('a DHCPRELEASE', () => {
  const lease = { mac: '02:00:00:bd:cd:9b', address: '172.16.0.232', clientId: 'ff:01:02' };
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

  it('has these bytes', () => {
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

  it('is longer with a long client id', () => {
    const clientId = Array(200).fill('ab').join(':');
    expect(buildRelease({ ...lease, clientId }, '172.16.0.1', 1).at(-1)).toBe(255);
  });
});
