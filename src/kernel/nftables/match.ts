import { endianness } from 'node:os';
import ipaddr from 'ipaddr.js';
import { ValidationError } from '../../errors.js';
import type { Expression } from './expression.js';
import type { CtKey, MetaKey, PayloadExpression } from './load.js';

/**
 * Matches, composed of register-level expressions as `nft` itself composes them, so that `nft list ruleset` shows them
 * in its own words. Each gives the expressions of one match; a rule is the concatenation of matches and statements. They
 * work with register 1. Names of sets are checked by the transaction, everything else here.
 */

/** The register that every match here loads into and compares; nothing outlives a match. */
const REGISTER = 1;
const NAME_BYTES = 16;
const SOURCE_OFFSET = 12;
const DESTINATION_OFFSET = 16;

/**
 * `ip saddr 172.16.0.0/24`: the packet's source is in it.
 * @param addresses an IPv4 address, or a CIDR of them; bits below the prefix don't count
 * @throws ValidationError
 */
export const sourceAddress = (addresses: string): Expression[] => networkAddress(SOURCE_OFFSET, addresses);

/**
 * `ip daddr 172.16.0.0/24`: the packet's destination is in it.
 * @param addresses an IPv4 address, or a CIDR of them; bits below the prefix don't count
 * @throws ValidationError
 */
export const destinationAddress = (addresses: string): Expression[] => networkAddress(DESTINATION_OFFSET, addresses);

/** `ip saddr @routed`: the packet's source is in the set, which is of the same table and has keys of `ipv4_addr`. */
export const sourceIn = (set: string): Expression[] => [
  ...loadAddress(SOURCE_OFFSET),
  { expression: 'lookup', set, sourceRegister: REGISTER },
];

/** `ip daddr @routed`: the packet's destination is in the set, which is of the same table and has keys of `ipv4_addr`. */
export const destinationIn = (set: string): Expression[] => [
  ...loadDestination(),
  { expression: 'lookup', set, sourceRegister: REGISTER },
];

/** Loads the IPv4 destination address into register 1, for a statement that maps it. */
export const loadDestination = (): Expression[] => loadAddress(DESTINATION_OFFSET);

/**
 * `iifname "veth-e2300f-i"`: the packet came in through that interface, which need not exist yet.
 * @param name 1 to 15 bytes; one that ends with `*` is every name with that prefix
 * @throws ValidationError
 */
export const inputInterface = (name: string): Expression[] => interfaceName('iifname', name);

/**
 * `oifname "egr-e2300f-i"`: the packet leaves through that interface, which need not exist yet.
 * @param name 1 to 15 bytes; one that ends with `*` is every name with that prefix
 * @throws ValidationError
 */
export const outputInterface = (name: string): Expression[] => interfaceName('oifname', name);

const STATES = { invalid: 1, established: 2, related: 4, new: 8 } as const;

/**
 * `ct state established,related`: the packet's connection is in any of the states.
 * @param states at least one
 * @throws ValidationError
 */
export const state = (...states: (keyof typeof STATES)[]): Expression[] => {
  if (states.length === 0 || !states.every((name) => Object.hasOwn(STATES, name))) {
    throw new ValidationError('states', states, `one or more of ${Object.keys(STATES).join(', ')}`);
  }
  return anyBit(
    'state',
    states.reduce((bits, name) => bits | STATES[name], 0),
  );
};

/** IPS_DST_NAT (include/uapi/linux/netfilter/nf_conntrack_common.h) */
const DESTINATION_NAT = 1 << 5;

/** `ct status dnat`: the connection's destination was translated. */
export const destinationTranslated = (): Expression[] => anyBit('status', DESTINATION_NAT);

/** `ct direction reply`: the packet goes to where its connection came from. */
export const replyDirection = (): Expression[] => [
  { expression: 'ct', key: 'direction', register: REGISTER },
  equals(Uint8Array.of(1)),
];

/** `ct mark != 0`: the packet's connection has a mark. */
export const marked = (): Expression[] => [
  { expression: 'ct', key: 'mark', register: REGISTER },
  { expression: 'cmp', register: REGISTER, operator: 'neq', data: hostOrder32(0) },
];

/**
 * `udp sport 67`, over IPv4 and IPv6.
 * @param port 0 to 65535
 * @throws ValidationError
 */
export const udpSourcePort = (port: number): Expression[] => transportPort(17, 0, port);

/**
 * `iifgroup & 0xff000000 == 0x77000000`: the device group of the interface that the packet came in through has these bits.
 * @param mask bits that count; all if absent
 * @throws ValidationError
 */
export const inputGroup = (value: number, mask = 0xffff_ffff): Expression[] => [
  { expression: 'meta', key: 'iifgroup', register: REGISTER },
  ...(mask === 0xffff_ffff ? [] : [masked(hostOrder32(mask))]),
  equals(hostOrder32(value)),
];

/** `iifgroup != 0x77000000`: that is another than this. @throws ValidationError */
export const notInputGroup = (value: number): Expression[] => [
  { expression: 'meta', key: 'iifgroup', register: REGISTER },
  { expression: 'cmp', register: REGISTER, operator: 'neq', data: hostOrder32(value) },
];

/**
 * `ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00`: the frame is for one of the addresses that IEEE 802.1D reserves
 * for what bridges do not pass on; for tables of the family bridge.
 */
export const reservedDestination = (): Expression[] => [
  { expression: 'payload', base: 'link', offset: 0, length: 6, register: REGISTER },
  masked(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xf0)),
  equals(Uint8Array.of(0x01, 0x80, 0xc2, 0, 0, 0)),
];

/** `arp operation reply`, of what is known to be ARP. */
export const arpReply = (): Expression[] => [
  { expression: 'payload', base: 'network', offset: 6, length: 2, register: REGISTER },
  equals(Uint8Array.of(0, 2)),
];

/** `meta l4proto udp`, over IPv4 and IPv6. */
export const udp = (): Expression[] => protocol(17);

/**
 * `meta l4proto != 255`: for the kernel the packet's IP header is in order (version, lengths). Of one that is not, no match of
 * ports or protocols holds; receivers with raw sockets may read it all the same. For tables of the family bridge, where such
 * packets are seen.
 */
export const wellFormed = (): Expression[] => [
  { expression: 'meta', key: 'l4proto', register: REGISTER },
  { expression: 'cmp', register: REGISTER, operator: 'neq', data: Uint8Array.of(255) },
];

/** `ip frag-off & 0x3fff == 0`: the IPv4 packet is whole: neither the first of several fragments nor one of the others. */
export const unfragmented = (): Expression[] => [
  { expression: 'payload', base: 'network', offset: 6, length: 2, register: REGISTER },
  masked(Uint8Array.of(0x3f, 0xff)),
  equals(new Uint8Array(2)),
];

/**
 * `@th,64,24 0x010106`: bytes of the packet. It does not hold where the packet ends before.
 * @param offset in bytes, 0 to 255
 * @param values 1 to 16 bytes
 */
export const bytes = (base: PayloadExpression['base'], offset: number, ...values: number[]): Expression[] => [
  { expression: 'payload', base, offset, length: values.length, register: REGISTER },
  equals(Uint8Array.from(values)),
];
/** NFPROTO_… (include/uapi/linux/netfilter.h) */
const NETWORK_PROTOCOLS = { ip: 2, ip6: 10 } as const;

/**
 * `meta nfproto ipv4`; for tables of the family inet.
 * @throws ValidationError
 */
export const networkProtocol = (name: keyof typeof NETWORK_PROTOCOLS): Expression[] => {
  if (!Object.hasOwn(NETWORK_PROTOCOLS, name)) throw new ValidationError('name', name, "'ip' or 'ip6'");
  return [{ expression: 'meta', key: 'nfproto', register: REGISTER }, equals(Uint8Array.of(NETWORK_PROTOCOLS[name]))];
};

const ETHER_TYPES = { ip: [0x08, 0x00], arp: [0x08, 0x06] } as const;

/**
 * `ether type arp`, of a frame without a VLAN tag; for tables of the family bridge.
 * @throws ValidationError
 */
export const etherType = (name: keyof typeof ETHER_TYPES): Expression[] => {
  if (!Object.hasOwn(ETHER_TYPES, name)) throw new ValidationError('name', name, "'ip' or 'arp'");
  return [
    { expression: 'payload', base: 'link', offset: 12, length: 2, register: REGISTER },
    equals(Uint8Array.from(ETHER_TYPES[name])),
  ];
};

/**
 * `udp dport 67`, over IPv4 and IPv6.
 * @param port 0 to 65535
 * @throws ValidationError
 */
export const udpPort = (port: number): Expression[] => transportPort(17, 2, port);

/**
 * `tcp dport 53`, over IPv4 and IPv6.
 * @param port 0 to 65535
 * @throws ValidationError
 */
export const tcpPort = (port: number): Expression[] => transportPort(6, 2, port);

/** `icmp type echo-request`, of IPv4 only. */
export const echoRequest = (): Expression[] => [
  ...protocol(1),
  { expression: 'payload', base: 'transport', offset: 0, length: 1, register: REGISTER },
  equals(Uint8Array.of(8)),
];

/**
 * A number as the kernel keeps what is not of a packet, such as a mark: 4 bytes, in the machine's byte order.
 * @param number 0 to 2^32-1
 * @throws ValidationError
 */
export function hostOrder32(number: number): Uint8Array {
  checkNumber('number', number, 0xffff_ffff);
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, number, endianness() === 'LE');
  return bytes;
}

function checkNumber(field: string, value: number, maximum: number): void {
  if (!Number.isInteger(value) || value < 0 || value > maximum) {
    throw new ValidationError(field, value, `an integer from 0 to ${maximum}`);
  }
}

function networkAddress(offset: number, addresses: string): Expression[] {
  const [address, prefix] = parseNetwork(addresses);
  const mask = Uint8Array.from(ipaddr.IPv4.subnetMaskFromPrefixLength(prefix).octets);
  const value = equals(mask.map((bits, index) => bits & (address.octets[index] as number)));
  return prefix === 32 ? [...loadAddress(offset), value] : [...loadAddress(offset), masked(mask), value];
}

/** Of the ways to write an address that there are, the one that can't be taken for another. */
const DOTTED = /^(0|[1-9]\d*)(\.(0|[1-9]\d*)){3}(\/\d+)?$/;

function parseNetwork(addresses: unknown): [ipaddr.IPv4, number] {
  if (typeof addresses === 'string' && DOTTED.test(addresses)) {
    const cidr = addresses.includes('/') ? addresses : `${addresses}/32`;
    if (ipaddr.IPv4.isValidCIDR(cidr)) return ipaddr.IPv4.parseCIDR(cidr);
  }
  throw new ValidationError('addresses', addresses, 'an IPv4 address or CIDR such as 172.16.0.0/24');
}

function loadAddress(offset: number): Expression[] {
  return [{ expression: 'payload', base: 'network', offset, length: 4, register: REGISTER }];
}

function interfaceName(key: MetaKey, name: string): Expression[] {
  const prefix = typeof name === 'string' && name.endsWith('*');
  const bytes = Buffer.from(typeof name === 'string' ? (prefix ? name.slice(0, -1) : name) : '');
  if (bytes.length === 0 || bytes.length >= NAME_BYTES || bytes.includes(0)) {
    throw new ValidationError('name', name, 'an interface name of 1 to 15 bytes, or the beginning of one and *');
  }
  const data = new Uint8Array(prefix ? bytes.length : NAME_BYTES);
  data.set(bytes);
  return [{ expression: 'meta', key, register: REGISTER }, equals(data)];
}

function anyBit(key: CtKey, bits: number): Expression[] {
  return [
    { expression: 'ct', key, register: REGISTER },
    masked(hostOrder32(bits)),
    { expression: 'cmp', register: REGISTER, operator: 'neq', data: hostOrder32(0) },
  ];
}

function transportPort(transport: number, offset: number, port: number): Expression[] {
  checkNumber('port', port, 0xffff);
  return [
    ...protocol(transport),
    { expression: 'payload', base: 'transport', offset, length: 2, register: REGISTER },
    equals(Uint8Array.of(port >> 8, port & 0xff)),
  ];
}

function protocol(number: number): Expression[] {
  return [{ expression: 'meta', key: 'l4proto', register: REGISTER }, equals(Uint8Array.of(number))];
}

function equals(data: Uint8Array): Expression {
  return { expression: 'cmp', register: REGISTER, operator: 'eq', data };
}

function masked(mask: Uint8Array): Expression {
  return {
    expression: 'bitwise',
    sourceRegister: REGISTER,
    register: REGISTER,
    length: mask.length,
    mask,
    xor: new Uint8Array(mask.length),
  };
}
