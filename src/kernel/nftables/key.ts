import { ValidationError } from '../../errors.js';
import { reading } from '../../util/input.js';
import { checkList, checkName, checkNumber } from './check.js';
import type { LookupExpression } from './compare.js';
import type { Expression } from './expression.js';
import type { PayloadExpression } from './load.js';
import type { NftRegister } from './register.js';

/**
 * Builders of lookups with concatenated keys (nft(8), CONCATENATIONS): up to five parts and 64 bytes. Invalid arguments are a
 * `ValidationError`.
 */

/** One part of a concatenated key. */
export interface KeyPart {
  /** Length, 1 to 16. The next part starts at a multiple of four bytes. */
  bytes: number;
  /** Returns the expressions that load the part into a register. */
  load: (register: NftRegister) => Expression | Expression[];
}

const NAME_BYTES = 16;
const MAC_BYTES = 6;
const ADDRESS_BYTES = 4;

function part(base: PayloadExpression['base'], offset: number, bytes: number): KeyPart {
  return { bytes, load: (register) => ({ expression: 'payload', base, offset, length: bytes, register }) };
}

/** Name of the input interface, type `ifname`. Like `iifname`. */
export const inputInterface: KeyPart = {
  bytes: NAME_BYTES,
  load: (register) => ({ expression: 'meta', key: 'iifname', register }),
};

/** Name of the output interface, type `ifname`. Like `oifname`. */
export const outputInterface: KeyPart = {
  bytes: NAME_BYTES,
  load: (register) => ({ expression: 'meta', key: 'oifname', register }),
};

/** Packet mark, type `mark`. Like `meta mark`. */
export const mark: KeyPart = { bytes: 4, load: (register) => ({ expression: 'meta', key: 'mark', register }) };

/**
 * Destination of the first packet of the connection, before translation, type `ipv4_addr`. Like `ct original ip daddr`.
 */
export const originalDestination: KeyPart = {
  bytes: ADDRESS_BYTES,
  load: (register) => ({ expression: 'ct', key: 'destinationIp', direction: 'original', register }),
};

/** Source MAC address of the frame, type `ether_addr`. Like `ether saddr`. */
export const etherSource = part('link', 6, MAC_BYTES);

/** IPv4 source address, type `ipv4_addr`. Like `ip saddr`. */
export const source = part('network', 12, ADDRESS_BYTES);

/** IPv6 source address, type `ipv6_addr`. Like `ip6 saddr`. */
export const source6 = part('network', 8, 16);

/**
 * VNI of a VXLAN packet (RFC 7348) as a number, type `mark`. An earlier match must select UDP. Like `vxlan vni`.
 */
export const vni: KeyPart = {
  bytes: 4,
  load: (register) => [
    // The UDP header has 8 bytes, the VXLAN flags 4: the last byte of these, and the VNI.
    { expression: 'payload', base: 'transport', offset: 11, length: 4, register },
    {
      ...{ expression: 'bitwise', sourceRegister: register, register, length: 4 },
      ...{ mask: Uint8Array.of(0, 0xff, 0xff, 0xff), xor: new Uint8Array(4) },
    },
    { expression: 'byteorder', sourceRegister: register, register, operation: 'ntoh', length: 4, size: 4 },
  ],
};

/** Sender hardware address of an ARP packet, type `ether_addr`. Like `arp saddr ether`. */
export const arpMac = part('network', 8, MAC_BYTES);

/** Sender protocol address of an ARP packet, type `ipv4_addr`. Like `arp saddr ip`. */
export const arpAddress = part('network', 14, ADDRESS_BYTES);

/** Target protocol address of an ARP packet, type `ipv4_addr`. Like `arp daddr ip`. */
export const arpTarget = part('network', 24, ADDRESS_BYTES);

/** Device group of the input interface, type `devgroup`. Like `iifgroup`. */
export const inputGroup: KeyPart = {
  bytes: 4,
  load: (register) => ({ expression: 'meta', key: 'iifgroup', register }),
};

/** Device group of the output interface, type `devgroup`. Like `meta oifgroup`. */
export const outputGroup: KeyPart = {
  bytes: 4,
  load: (register) => ({ expression: 'meta', key: 'oifgroup', register }),
};

/** Client hardware address (chaddr) of a DHCP message over UDP, type `ether_addr`. Like `@th,288,48`. */
export const dhcpMac = part('transport', 36, MAC_BYTES);

const FIRST_REGISTER = 1;
/** 32-bit registers share their space with the 128-bit registers 1 to 4. */
const FIRST_SMALL_REGISTER = 8;
const MAXIMUM_PARTS = 5;
const MAXIMUM_WORDS = 16;

/** Register at an offset in 32-bit words. Uses the number of the 128-bit register if there is one, as the kernel reports it. */
const registerAt = (words: number) => (words % 4 === 0 ? FIRST_REGISTER + words / 4 : FIRST_SMALL_REGISTER + words);

/**
 * Matches if the key is an element of a set. Like `iifname . ether saddr @macs`.
 * @param set a set of the same table, whose `keyType` is the concatenated types of the parts
 * @throws ValidationError
 */
export const isIn = (set: string, ...parts: KeyPart[]): Expression[] => [...load(parts), lookup('set', set)];

/**
 * Matches if the key is not an element of a set. Like `iifname . ether saddr != @macs`.
 * @param set a set of the same table, whose `keyType` is the concatenated types of the parts
 * @throws ValidationError
 */
export const isNotIn = (set: string, ...parts: KeyPart[]): Expression[] => [
  ...load(parts),
  { ...lookup('set', set), invert: true },
];

/**
 * Sets the packet mark to the data that a map has for the key. A packet without an element continues with the next rule. Like
 * `meta mark set iifname map @guarded`.
 * @param map a map of the same table, whose `keyType` is the concatenated types of the parts and `dataType` is `mark`
 * @throws ValidationError
 */
export const markBy = (map: string, ...parts: KeyPart[]): Expression[] => [
  ...load(parts),
  { ...lookup('map', map), register: FIRST_REGISTER },
  { expression: 'meta', key: 'mark', sourceRegister: FIRST_REGISTER },
];

/**
 * Adds the key to a set, or restarts the time-out of its element. The rule continues if the expressions of the element, such
 * as a limit, match. Like `update @seen { ether saddr }`.
 * @param set a `dynamic` set of the same table, whose `keyType` is the concatenated types of the parts
 * @throws ValidationError
 */
export const update = (set: string, ...parts: KeyPart[]): Expression[] => {
  checkName('set', set);
  return [...load(parts), { expression: 'dynset', set, operation: 'update', sourceRegister: FIRST_REGISTER }];
};

function load(parts: readonly KeyPart[]): Expression[] {
  if (parts.length === 0 || parts.length > MAXIMUM_PARTS) {
    throw new ValidationError('parts', parts, `1 to ${MAXIMUM_PARTS} parts of a key`);
  }
  let words = 0;
  return parts.flatMap((part, index) => {
    const field = `parts[${index}]`;
    return reading(field, part, () => {
      if (typeof part?.load !== 'function') throw new ValidationError(field, part, 'a part of a key');
      checkNumber(`${field}.bytes`, part.bytes, 16, 1);
      const expressions = part.load(registerAt(words));
      words += Math.ceil(part.bytes / 4);
      if (words > MAXIMUM_WORDS) throw new ValidationError('parts', parts, 'at most 64 bytes');
      if (typeof expressions !== 'object' || expressions === null) checkList(field, expressions, 'expressions');
      return expressions;
    });
  });
}

function lookup(field: string, set: string): LookupExpression {
  checkName(field, set);
  return { expression: 'lookup', set, sourceRegister: FIRST_REGISTER };
}
