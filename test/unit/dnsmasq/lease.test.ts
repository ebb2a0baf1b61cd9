import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseLeases, withoutLeases } from '../../../src/dnsmasq/lease.js';
import { anyText } from '../../support/texts.js';

const file = `1795519788 02:00:00:00:00:01 172.16.0.10 web 01:02:00:00:00:00:01
0 02:00:00:00:00:02 172.16.0.11 * *
1795519788 06-02:00:00:00:00:03 172.16.0.12 odd *
duid 00:01:00:01:2a:3b
1795519788 7 fd00::1 web 00:01
torn 02:00
1795519788 02:00:00:00:00:04
`;

describe('the lease file', () => {
  it('is parsed without lines that are not IPv4 leases', () => {
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

  it('never causes an exception', () => {
    fc.assert(
      fc.property(anyText(), (text) => {
        expect(parseLeases(text)).toBeInstanceOf(Array);
        // What is in lines of their own is read, whatever is beside them.
        expect(parseLeases(`${file}\n${text}`)).toEqual(expect.arrayContaining(parseLeases(file)));
      }),
    );
  });

  it('loses only the removed lease', () => {
    const left = withoutLeases(file, (lease) => lease.address === '172.16.0.11');
    expect(left).toBe(file.replace(/^0 .*\n/m, ''));
  });
});
