import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ValidationError } from '../../../src/errors.js';
import { match, nftKey, nftTable, statement } from '../../../src/kernel/nftables/index.js';

/** What a match compares the packet with. */
function compared(expressions: readonly { expression: string }[]): unknown {
  return expressions.find(({ expression }) => expression === 'cmp');
}

/** Throws an error of its own where it is converted to a text. */
const hostile = {
  toString: () => {
    throw new RangeError('hostile');
  },
} as never;

describe('a match', () => {
  test('of a network ignores the bits below its prefix', () => {
    expect(match.sourceAddress('172.16.0.5/24')).toEqual(match.sourceAddress('172.16.0.0/24'));
    expect(compared(match.destinationAddress('10.0.0.1/0'))).toMatchObject({ data: Uint8Array.of(0, 0, 0, 0) });
    expect(match.sourceAddress('10.0.0.1')).toEqual(match.sourceAddress('10.0.0.1/32'));
  });

  test('of an interface has as many bytes as a name', () => {
    expect(compared(match.inputInterface('a'.repeat(15)))).toMatchObject({ data: expect.toSatisfy(endsWithNul) });
    expect(compared(match.inputInterface('veth-*'))).toMatchObject({ data: Uint8Array.from(Buffer.from('veth-')) });
    for (const name of ['', '*', 'a'.repeat(16), `${'a'.repeat(16)}*`, 'a\0b', 'ä'.repeat(8)]) {
      expect(() => match.outputInterface(name)).toThrow(ValidationError);
    }
  });

  test.each<[string, () => unknown, string]>([
    ['a port beyond 16 bits', () => match.udpPort(65_536), 'port'],
    ['a port of a half', () => match.tcpPort(0.5), 'port'],
    ['a port below 0', () => match.udpSourcePort(-1), 'port'],
    ['an address of three parts', () => match.sourceAddress('10.0.1'), 'addresses'],
    ['a prefix beyond 32', () => match.sourceAddress('10.0.0.1/33'), 'addresses'],
    ['an IPv6 address', () => match.destinationAddress('fd00::1'), 'addresses'],
    ['no state', () => match.state(), 'states'],
    ['a state that all objects have', () => match.state('toString' as 'new'), 'states'],
    ['an unknown EtherType', () => match.etherType('ipx' as 'ip'), 'name'],
    ['a mark beyond 32 bits', () => match.hostOrder32(2 ** 32), 'number'],
    ['a group beyond 32 bits', () => match.inputGroup(2 ** 32), 'value'],
    ['a mask below 0', () => match.inputGroup(1, -1), 'mask'],
    ['a byte of 9 bits', () => match.bytes('link', 0, 1, 256), 'values[1]'],
    ['a protocol that is converted by code of the caller', () => match.networkProtocol(hostile), 'name'],
    ['a state that is converted by code of the caller', () => match.state(hostile), 'states'],
    ['a set without a name', () => match.sourceIn(''), 'set'],
    ['a map that is no text', () => statement.translateDestinationBy(5 as never), 'map'],
    ['an address with a prefix', () => statement.translateSource('10.0.0.1/32'), 'address'],
    ['an address of three parts', () => statement.translateDestination('10.0.1'), 'address'],
    ['an odd offset', () => statement.writeUdpPayload(9, [1, 2]), 'values'],
    ['an odd number of bytes', () => statement.writeUdpPayload(8, [1]), 'values'],
    ['an offset inside the UDP header', () => statement.writeUdpPayload(6, [1, 2]), 'offset'],
    ['a chain of 256 bytes', () => statement.jump('c'.repeat(256)), 'chain'],
    ['a rate of 0', () => statement.limit(0, 5), 'rate'],
    ['a count of a half', () => statement.connections(0.5), 'count'],
    ['no part of a key', () => nftKey.isIn('macs'), 'parts'],
    ['six parts of a key', () => nftKey.isIn('macs', ...Array(6).fill(nftKey.mark)), 'parts'],
    ['a part that is none', () => nftKey.markBy('macs', nftKey.mark, undefined as never), 'parts[1]'],
    ['a part without length', () => nftKey.update('macs', { ...nftKey.mark, bytes: 0 }), 'parts[0].bytes'],
    ['an unknown family', () => nftTable('ipx' as 'ip', 'mine'), 'family'],
    ['a table without a name', () => nftTable('ip', undefined as never), 'table'],
    ['a chain without rules', () => nftTable('ip', 'mine').subchain('guard', null as never), 'rules'],
    ['rules that are no lists', () => nftTable('ip', 'mine').subchain('guard', { why: 5 as never }), 'rules.why'],
    ['a hook that is a text', () => nftTable('ip', 'mine').chain('guard', 'input' as never, {}), 'hook'],
    ['a set without types', () => nftTable('ip', 'mine').set('macs', undefined as never), 'spec'],
    [
      'elements that are no list',
      () => nftTable('ip', 'mine').addElements('macs', { keyType: 'mark' }, {} as never),
      'elements',
    ],
  ])('of %s is rejected', (_what, make, field) => {
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_VETHWORK_VALIDATION', field }));
  });

  test('of any value gives expressions or a typed error', () => {
    const counts = { made: 0, refused: 0 };
    type Builder = (...given: unknown[]) => unknown;
    const makers: unknown[] = [match, statement, nftKey].flatMap((module): unknown[] => Object.values(module));
    const commands = [nftTable, ...Object.values(nftTable('ip', 'mine'))].map((make) => (...given: unknown[]) => [
      (make as Builder)(...given),
    ]);
    const all = [...makers.filter((each): each is Builder => typeof each === 'function'), ...commands];
    fc.assert(
      fc.property(
        fc.constantFrom(...all),
        fc.array(fc.anything({ withBigInt: true }), { maxLength: 3 }),
        (make, given) => {
          try {
            const made = make(...given);
            expect(Array.isArray(made) || made instanceof Uint8Array).toBe(true);
            counts.made++;
          } catch (error) {
            expect(error).toBeInstanceOf(ValidationError);
            counts.refused++;
          }
        },
      ),
      { numRuns: 3000 },
    );
    // Both have been tried.
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(50);
  });
});

function endsWithNul(data: Uint8Array): boolean {
  return data.length === 16 && data[15] === 0;
}
