import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ValidationError } from '../../src/errors.js';
import { match, statement } from '../../src/kernel/nftables/index.js';

/** What a match compares the packet with. */
function compared(expressions: readonly { expression: string }[]): unknown {
  return expressions.find(({ expression }) => expression === 'cmp');
}

describe('a match', () => {
  test('of a network does not count the bits below its prefix', () => {
    expect(match.sourceAddress('172.16.0.5/24')).toEqual(match.sourceAddress('172.16.0.0/24'));
    expect(compared(match.destinationAddress('10.0.0.1/0'))).toMatchObject({ data: Uint8Array.of(0, 0, 0, 0) });
    expect(match.sourceAddress('10.0.0.1')).toEqual(match.sourceAddress('10.0.0.1/32'));
  });

  test('of an interface takes as many bytes as a name has', () => {
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
  ])('of %s is refused', (_what, make, field) => {
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_VETHWORK_VALIDATION', field }));
  });

  test('of whatever else is expressions or a typed error', () => {
    const counts = { made: 0, refused: 0 };
    const all = [...Object.values(match), ...Object.values(statement)] as ((...given: unknown[]) => unknown)[];
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
