import type { Expression } from './expression.js';

/**
 * Keys of sets and maps that are put together from several parts of a packet, as `nft` writes them with dots between.
 */

/** One part: how it is loaded, and how many bytes it takes; parts begin at multiples of four. */
export interface KeyPart {
  bytes: number;
  load: (register: number) => Expression;
}

const NAME_BYTES = 16;
const MAC_BYTES = 6;
const ADDRESS_BYTES = 4;

function part(base: 'link' | 'network', offset: number, bytes: number): KeyPart {
  return { bytes, load: (register) => ({ expression: 'payload', base, offset, length: bytes, register }) };
}

/** `iifname` */
export const inputInterface: KeyPart = {
  bytes: NAME_BYTES,
  load: (register) => ({ expression: 'meta', key: 'iifname', register }),
};

/** `meta mark` */
export const mark: KeyPart = { bytes: 4, load: (register) => ({ expression: 'meta', key: 'mark', register }) };

/** `ether saddr` */
export const etherSource = part('link', 6, MAC_BYTES);

/** `ip saddr` */
export const source = part('network', 12, ADDRESS_BYTES);

/** `arp saddr ether` */
export const arpMac = part('network', 8, MAC_BYTES);

/** `arp saddr ip` */
export const arpAddress = part('network', 14, ADDRESS_BYTES);

const FIRST_REGISTER = 1;
/** The 32-bit registers are the same space as the large ones, which hold four of them. */
const FIRST_SMALL_REGISTER = 8;

/** The register so many 32-bit pieces from the start; by its large name where it has one, as the kernel tells it. */
const registerAt = (pieces: number) => (pieces % 4 === 0 ? FIRST_REGISTER + pieces / 4 : FIRST_SMALL_REGISTER + pieces);

/** `iifname . ether saddr @macs`: the packet's key is in the set. */
export const isIn = (set: string, ...parts: KeyPart[]): Expression[] => [...load(parts), lookup(set)];

/** `iifname . ether saddr != @macs` */
export const isNotIn = (set: string, ...parts: KeyPart[]): Expression[] => [
  ...load(parts),
  { ...lookup(set), invert: true },
];

/** `meta mark set iifname map @guarded`; a packet whose key is not in the map goes on to the next rule. */
export const markBy = (map: string, ...parts: KeyPart[]): Expression[] => [
  ...load(parts),
  { ...lookup(map), register: FIRST_REGISTER },
  { expression: 'meta', key: 'mark', sourceRegister: FIRST_REGISTER },
];

function load(parts: readonly KeyPart[]): Expression[] {
  let pieces = 0;
  return parts.map((part) => {
    const expression = part.load(registerAt(pieces));
    pieces += Math.ceil(part.bytes / 4);
    return expression;
  });
}

function lookup(set: string): Extract<Expression, { expression: 'lookup' }> {
  return { expression: 'lookup', set, sourceRegister: FIRST_REGISTER };
}
