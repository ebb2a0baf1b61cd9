import { endianness } from 'node:os';
import ipaddr from 'ipaddr.js';
import type { CtKey, Expression, MetaKey } from './expression.js';

/**
 * Matches, composed of register-level expressions as `nft` itself composes them, so that `nft list ruleset` shows them
 * in its own words. Each gives the expressions of one match; a rule is the concatenation of matches and statements.
 */

/** The register that every match here loads into and compares; nothing outlives a match. */
const REGISTER = 1;
const NAME_BYTES = 16;
const SOURCE_OFFSET = 12;
const DESTINATION_OFFSET = 16;

/** `ip saddr 172.16.0.0/24`; takes an address or a CIDR. */
export const sourceAddress = (addresses: string): Expression[] => networkAddress(SOURCE_OFFSET, addresses);

/** `ip daddr 172.16.0.0/24`; takes an address or a CIDR. */
export const destinationAddress = (addresses: string): Expression[] => networkAddress(DESTINATION_OFFSET, addresses);

/** `ip saddr @routed` */
export const sourceIn = (set: string): Expression[] => [
  ...loadAddress(SOURCE_OFFSET),
  { expression: 'lookup', set, sourceRegister: REGISTER },
];

/** `ip daddr @routed` */
export const destinationIn = (set: string): Expression[] => [
  ...loadDestination(),
  { expression: 'lookup', set, sourceRegister: REGISTER },
];

/** Loads the destination address, for a statement that maps it. */
export const loadDestination = (): Expression[] => loadAddress(DESTINATION_OFFSET);

/** `iifname "veth-e2300f-i"`; a trailing `*` matches every name with the prefix. */
export const inputInterface = (name: string): Expression[] => interfaceName('iifname', name);

/** `oifname "egr-e2300f-i"`; a trailing `*` matches every name with the prefix. */
export const outputInterface = (name: string): Expression[] => interfaceName('oifname', name);

const STATES = { invalid: 1, established: 2, related: 4, new: 8 } as const;

/** `ct state established,related`: any of the states. */
export const state = (...states: (keyof typeof STATES)[]): Expression[] =>
  anyBit(
    'state',
    states.reduce((bits, name) => bits | STATES[name], 0),
  );

/** IPS_DST_NAT (include/uapi/linux/netfilter/nf_conntrack_common.h) */
const DESTINATION_NAT = 1 << 5;

/** `ct status dnat`: the connection's destination was translated. */
export const destinationTranslated = (): Expression[] => anyBit('status', DESTINATION_NAT);

/** `ct direction reply` */
export const replyDirection = (): Expression[] => [
  { expression: 'ct', key: 'direction', register: REGISTER },
  equals(Uint8Array.of(1)),
];

/** `ct mark != 0` */
export const marked = (): Expression[] => [
  { expression: 'ct', key: 'mark', register: REGISTER },
  { expression: 'cmp', register: REGISTER, operator: 'neq', data: hostOrder32(0) },
];

/** `udp sport 67` */
export const udpSourcePort = (port: number): Expression[] => transportPort(17, 0, port);

const ETHER_TYPES = { ip: [0x08, 0x00], arp: [0x08, 0x06] } as const;

/** `ether type arp`, of a frame without a VLAN tag; for tables of the family bridge. */
export const etherType = (name: keyof typeof ETHER_TYPES): Expression[] => [
  { expression: 'payload', base: 'link', offset: 12, length: 2, register: REGISTER },
  equals(Uint8Array.from(ETHER_TYPES[name])),
];

/** `udp dport 67` */
export const udpPort = (port: number): Expression[] => transportPort(17, 2, port);

/** `tcp dport 53` */
export const tcpPort = (port: number): Expression[] => transportPort(6, 2, port);

/** `icmp type echo-request` */
export const echoRequest = (): Expression[] => [
  ...protocol(1),
  { expression: 'payload', base: 'transport', offset: 0, length: 1, register: REGISTER },
  equals(Uint8Array.of(8)),
];

/** Meta and conntrack values are in the machine's byte order, unlike a packet's. */
export function hostOrder32(number: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, number, endianness() === 'LE');
  return bytes;
}

function networkAddress(offset: number, addresses: string): Expression[] {
  const [address, prefix] = ipaddr.IPv4.parseCIDR(addresses.includes('/') ? addresses : `${addresses}/32`);
  const value = equals(Uint8Array.from(address.octets));
  if (prefix === 32) return [...loadAddress(offset), value];
  const mask = Uint8Array.from(ipaddr.IPv4.subnetMaskFromPrefixLength(prefix).octets);
  return [...loadAddress(offset), masked(mask), value];
}

function loadAddress(offset: number): Expression[] {
  return [{ expression: 'payload', base: 'network', offset, length: 4, register: REGISTER }];
}

function interfaceName(key: MetaKey, name: string): Expression[] {
  const prefix = name.endsWith('*');
  const bytes = Buffer.from(prefix ? name.slice(0, -1) : name);
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
