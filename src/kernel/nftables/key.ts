import type { LookupExpression } from './compare.js';
import type { Expression } from './expression.js';
import type { PayloadExpression } from './load.js';
import type { NftRegister } from './register.js';

/**
 * Keys of sets and maps that are put together from several parts of a packet, as `nft` writes them with dots between
 * (nft(8), CONCATENATIONS): up to five parts and 64 bytes.
 */

/** One part of a key. */
export interface KeyPart {
  /** How many it takes; the next part begins at a multiple of four. */
  bytes: number;
  /** The expressions that load it into a register. */
  load: (register: NftRegister) => Expression | Expression[];
}

const NAME_BYTES = 16;
const MAC_BYTES = 6;
const ADDRESS_BYTES = 4;

function part(base: PayloadExpression['base'], offset: number, bytes: number): KeyPart {
  return { bytes, load: (register) => ({ expression: 'payload', base, offset, length: bytes, register }) };
}

/** `iifname`, of the type `ifname`: the name of the interface the packet came in through. */
export const inputInterface: KeyPart = {
  bytes: NAME_BYTES,
  load: (register) => ({ expression: 'meta', key: 'iifname', register }),
};

/** `meta mark`, of the type `mark`: the packet's mark. */
export const mark: KeyPart = { bytes: 4, load: (register) => ({ expression: 'meta', key: 'mark', register }) };

/** `ether saddr`, of the type `ether_addr`: the frame's source. */
export const etherSource = part('link', 6, MAC_BYTES);

/** `ip saddr`, of the type `ipv4_addr`: the packet's source. */
export const source = part('network', 12, ADDRESS_BYTES);

/** `ip6 saddr`, of the type `ipv6_addr`: the packet's source. */
export const source6 = part('network', 8, 16);

/**
 * `vxlan vni`, of the type `mark`: the network of a VXLAN packet (RFC 7348), as a number. The packet must be known to be
 * UDP.
 */
export const vni: KeyPart = {
  bytes: 4,
  load: (register) => [
    // The last byte of UDP (8) and VXLAN flags (4), and the VNI.
    { expression: 'payload', base: 'transport', offset: 11, length: 4, register },
    {
      ...{ expression: 'bitwise', sourceRegister: register, register, length: 4 },
      ...{ mask: Uint8Array.of(0, 0xff, 0xff, 0xff), xor: new Uint8Array(4) },
    },
    { expression: 'byteorder', sourceRegister: register, register, operation: 'ntoh', length: 4, size: 4 },
  ],
};

/** `arp saddr ether`, of the type `ether_addr`: whose MAC address an ARP packet tells. */
export const arpMac = part('network', 8, MAC_BYTES);

/** `arp saddr ip`, of the type `ipv4_addr`: whose IPv4 address an ARP packet tells. */
export const arpAddress = part('network', 14, ADDRESS_BYTES);

/** `arp daddr ip`, of the type `ipv4_addr`: whose MAC address an ARP packet asks for. */
export const arpTarget = part('network', 24, ADDRESS_BYTES);

/** `iifgroup`, of the type `devgroup`: the device group of the interface the packet came in through. */
export const inputGroup: KeyPart = {
  bytes: 4,
  load: (register) => ({ expression: 'meta', key: 'iifgroup', register }),
};
/** `@th,288,48`, of the type `ether_addr`: whose MAC address a DHCP message tells (chaddr), behind the UDP header. */
export const dhcpMac = part('transport', 36, MAC_BYTES);

const FIRST_REGISTER = 1;
/** The 32-bit registers are the same space as the large ones, which hold four of them. */
const FIRST_SMALL_REGISTER = 8;

/** The register so many 32-bit pieces from the start; by its large name where it has one, as the kernel tells it. */
const registerAt = (pieces: number) => (pieces % 4 === 0 ? FIRST_REGISTER + pieces / 4 : FIRST_SMALL_REGISTER + pieces);

/**
 * `iifname . ether saddr @macs`: the packet's key is in the set.
 * @param set of the same table, whose `keyType` has the types of the parts
 */
export const isIn = (set: string, ...parts: KeyPart[]): Expression[] => [...load(parts), lookup(set)];

/**
 * `iifname . ether saddr != @macs`: the packet's key is not in the set.
 * @param set of the same table, whose `keyType` has the types of the parts
 */
export const isNotIn = (set: string, ...parts: KeyPart[]): Expression[] => [
  ...load(parts),
  { ...lookup(set), invert: true },
];

/**
 * `meta mark set iifname map @guarded`: the packet gets the mark that the map has for its key. A packet whose key is not in
 * the map goes on to the next rule.
 * @param map of the same table, whose `keyType` has the types of the parts, and its `dataType` is `mark`
 */
export const markBy = (map: string, ...parts: KeyPart[]): Expression[] => [
  ...load(parts),
  { ...lookup(map), register: FIRST_REGISTER },
  { expression: 'meta', key: 'mark', sourceRegister: FIRST_REGISTER },
];

/**
 * `update @seen { ether saddr }`: the packet's key becomes an element of the set, and its life begins anew. The rule goes on
 * if what the set has for each element, such as a limit, lets it.
 * @param set of the same table and `dynamic`, whose `keyType` has the types of the parts
 */
export const update = (set: string, ...parts: KeyPart[]): Expression[] => [
  ...load(parts),
  { expression: 'dynset', set, operation: 'update', sourceRegister: FIRST_REGISTER },
];

function load(parts: readonly KeyPart[]): Expression[] {
  let pieces = 0;
  return parts.flatMap((part) => {
    const expressions = part.load(registerAt(pieces));
    pieces += Math.ceil(part.bytes / 4);
    return expressions;
  });
}

function lookup(set: string): LookupExpression {
  return { expression: 'lookup', set, sourceRegister: FIRST_REGISTER };
}
