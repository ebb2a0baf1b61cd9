import { endianness } from 'node:os';
import ipaddr from 'ipaddr.js';
import { ValidationError } from '../../errors.js';
import { checkAddress, checkBytes, checkName, checkNumber, checkWord } from './check.js';
import type { Expression } from './expression.js';
import type { CtKey, MetaKey, PayloadExpression } from './load.js';

/**
 * Builders of match expressions. Each returns the register-level expressions of one match, the same ones that `nft` compiles
 * from the equivalent text, so that `nft list ruleset` shows that text. A rule is a concatenation of matches and statements.
 * All use register 1. Invalid arguments are a `ValidationError`.
 */

/** Register that every match loads into and compares. No match reads the register of an earlier one. */
const REGISTER = 1;
const NAME_BYTES = 16;
/** linux/if_packet.h */
const PACKET_OTHERHOST = 3;
const SOURCE_OFFSET = 12;
const DESTINATION_OFFSET = 16;
const ARP_SENDER_OFFSET = 14;

/**
 * Matches the IPv4 source address. Like `ip saddr 172.16.0.0/24`.
 * @param addresses an IPv4 address or CIDR; bits below the prefix are ignored
 * @throws ValidationError
 */
export const sourceAddress = (addresses: string): Expression[] => networkAddress(SOURCE_OFFSET, addresses);

/**
 * Matches the IPv4 destination address. Like `ip daddr 172.16.0.0/24`.
 * @param addresses an IPv4 address or CIDR; bits below the prefix are ignored
 * @throws ValidationError
 */
export const destinationAddress = (addresses: string): Expression[] => networkAddress(DESTINATION_OFFSET, addresses);

/**
 * Matches if the IPv4 destination address differs. Like `ip daddr != 172.16.0.1`.
 * @param address an IPv4 address
 * @throws ValidationError
 */
export const notDestinationAddress = (address: string): Expression[] => [
  ...loadDestination(),
  { expression: 'cmp', register: REGISTER, operator: 'neq', data: checkAddress('address', address) },
];

/**
 * Matches if the IPv4 source address is an element of a set. Like `ip saddr @routed`.
 * @param set a set of the same table with the key type `ipv4_addr`
 * @throws ValidationError
 */
export const sourceIn = (set: string): Expression[] => addressIn(SOURCE_OFFSET, set);

/**
 * Matches if the IPv4 destination address is an element of a set. Like `ip daddr @routed`.
 * @param set a set of the same table with the key type `ipv4_addr`
 * @throws ValidationError
 */
export const destinationIn = (set: string): Expression[] => addressIn(DESTINATION_OFFSET, set);

/** Loads the IPv4 destination address into register 1, for a statement that uses it as a key. Like `ip daddr`. */
export const loadDestination = (): Expression[] => loadAddress(DESTINATION_OFFSET);

/**
 * Matches the name of the input interface, which need not exist yet. Like `iifname "veth-e2300f-i"`.
 * @param name 1 to 15 bytes; a trailing `*` matches any suffix
 * @throws ValidationError
 */
export const inputInterface = (name: string): Expression[] => interfaceName('iifname', name);

/**
 * Matches the name of the output interface, which need not exist yet. Like `oifname "egr-e2300f-i"`.
 * @param name 1 to 15 bytes; a trailing `*` matches any suffix
 * @throws ValidationError
 */
export const outputInterface = (name: string): Expression[] => interfaceName('oifname', name);

const STATES = { invalid: 1, established: 2, related: 4, new: 8 } as const;

/**
 * Matches if the connection is in any of the states. Like `ct state established,related`.
 * @param states at least one
 * @throws ValidationError
 */
export const state = (...states: (keyof typeof STATES)[]): Expression[] => {
  if (states.length === 0 || !states.every((name) => typeof name === 'string' && Object.hasOwn(STATES, name))) {
    throw new ValidationError('states', states, `one or more of ${Object.keys(STATES).join(', ')}`);
  }
  return anyBit(
    'state',
    states.reduce((bits, name) => bits | STATES[name], 0),
  );
};

/** IPS_DST_NAT (include/uapi/linux/netfilter/nf_conntrack_common.h) */
const DESTINATION_NAT = 1 << 5;

/** Matches connections whose destination is translated. Like `ct status dnat`. */
export const destinationTranslated = (): Expression[] => anyBit('status', DESTINATION_NAT);

/** Matches packets in the reply direction of their connection. Like `ct direction reply`. */
export const replyDirection = (): Expression[] => [
  { expression: 'ct', key: 'direction', register: REGISTER },
  equals(Uint8Array.of(1)),
];

/**
 * Matches the UDP source port, over IPv4 and IPv6. Like `udp sport 67`.
 * @param port 0 to 65535
 * @throws ValidationError
 */
export const udpSourcePort = (port: number): Expression[] => transportPort(17, 0, port);

/**
 * Matches the device group of the input interface. Like `iifgroup & 0xff000000 == 0x77000000`.
 * @param value 0 to 2^32-1
 * @param mask bits that are compared; all by default
 * @throws ValidationError
 */
export const inputGroup = (value: number, mask = 0xffff_ffff): Expression[] => [
  { expression: 'meta', key: 'iifgroup', register: REGISTER },
  ...(mask === 0xffff_ffff ? [] : [masked(hostOrder32(mask, 'mask'))]),
  equals(hostOrder32(value, 'value')),
];

/** Matches the device group of the output interface. Like `oifgroup 0x77000000`. @throws ValidationError */
export const outputGroup = (value: number): Expression[] => [
  { expression: 'meta', key: 'oifgroup', register: REGISTER },
  equals(hostOrder32(value, 'value')),
];

/** Matches if the device group of the input interface differs. Like `iifgroup != 0x77000000`. @throws ValidationError */
export const notInputGroup = (value: number): Expression[] => [
  { expression: 'meta', key: 'iifgroup', register: REGISTER },
  { expression: 'cmp', register: REGISTER, operator: 'neq', data: hostOrder32(value, 'value') },
];

/** PACKET_MULTICAST (include/uapi/linux/if_packet.h) */
const MULTICAST = 2;

/** Matches frames to multicast addresses except broadcasts. Like `meta pkttype multicast`. */
export const multicast = (): Expression[] => [
  { expression: 'meta', key: 'pkttype', register: REGISTER },
  equals(Uint8Array.of(MULTICAST)),
];

/**
 * Matches frames to the reserved addresses of IEEE 802.1D, which bridges do not forward. For tables of the family bridge.
 * Like `ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00`.
 */
export const reservedDestination = (): Expression[] => [
  { expression: 'payload', base: 'link', offset: 0, length: 6, register: REGISTER },
  masked(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xf0)),
  equals(Uint8Array.of(0x01, 0x80, 0xc2, 0, 0, 0)),
];

/**
 * Matches the sender protocol address of an ARP packet. An earlier match must select ARP. Like `arp saddr ip
 * 192.168.15.0/24`.
 * @param addresses an IPv4 address or CIDR; bits below the prefix are ignored
 * @throws ValidationError
 */
export const arpSender = (addresses: string): Expression[] => networkAddress(ARP_SENDER_OFFSET, addresses);

/** Matches ARP replies. An earlier match must select ARP. Like `arp operation reply`. */
export const arpReply = (): Expression[] => [
  { expression: 'payload', base: 'network', offset: 6, length: 2, register: REGISTER },
  equals(Uint8Array.of(0, 2)),
];

/** Matches UDP over IPv4 and IPv6. Like `meta l4proto udp`. */
export const udp = (): Expression[] => protocol(17);

/**
 * Matches packets whose IP header is valid (version and lengths). Matches of ports and protocols never match an invalid
 * packet, but receivers with raw sockets may read it. For tables of the family bridge, which see such packets. Like
 * `meta l4proto != 255`.
 */
export const wellFormed = (): Expression[] => [
  { expression: 'meta', key: 'l4proto', register: REGISTER },
  { expression: 'cmp', register: REGISTER, operator: 'neq', data: Uint8Array.of(255) },
];

/**
 * Matches packets up to a length. Like `meta length <= 507`.
 * @param length in bytes from the start of the IP header, 0 to 2^32-1
 * @throws ValidationError
 */
export const lengthUpTo = (length: number): Expression[] => [
  { expression: 'meta', key: 'len', register: REGISTER },
  // `lte` compares bytes from the first one on, so the number has to be in network byte order.
  { expression: 'byteorder', sourceRegister: REGISTER, register: REGISTER, operation: 'hton', length: 4, size: 4 },
  { expression: 'cmp', register: REGISTER, operator: 'lte', data: networkOrder32(length, 'length') },
];

/** Matches frames to another MAC than that of the input interface. Like `meta pkttype other`. */
export const toOtherHost = (): Expression[] => [
  { expression: 'meta', key: 'pkttype', register: REGISTER },
  equals(Uint8Array.of(PACKET_OTHERHOST)),
];

/** Matches IPv4 packets that are not fragments. Like `ip frag-off & 0x3fff == 0`. */
export const unfragmented = (): Expression[] => [
  { expression: 'payload', base: 'network', offset: 6, length: 2, register: REGISTER },
  masked(Uint8Array.of(0x3f, 0xff)),
  equals(new Uint8Array(2)),
];

/**
 * Matches bytes of the packet. It does not match if the packet is too short. Like `@th,64,24 0x010106`.
 * @param base the header that `offset` counts from
 * @param offset in bytes, 0 to 255
 * @param values 1 to 16 bytes
 * @throws ValidationError
 */
export const bytes = (base: PayloadExpression['base'], offset: number, ...values: number[]): Expression[] => {
  checkWord('base', base, ['link', 'network', 'transport']);
  checkNumber('offset', offset, 0xff);
  const data = checkBytes('values', values);
  return [{ expression: 'payload', base, offset, length: data.length, register: REGISTER }, equals(data)];
};

/** NFPROTO_… (include/uapi/linux/netfilter.h) */
const NETWORK_PROTOCOLS = { ip: 2, ip6: 10 } as const;

/**
 * Matches the network protocol, in tables of the family inet. Like `meta nfproto ipv4`.
 * @throws ValidationError
 */
export const networkProtocol = (name: keyof typeof NETWORK_PROTOCOLS): Expression[] => {
  checkWord('name', name, ['ip', 'ip6']);
  return [{ expression: 'meta', key: 'nfproto', register: REGISTER }, equals(Uint8Array.of(NETWORK_PROTOCOLS[name]))];
};

const ETHER_TYPES = { ip: [0x08, 0x00], arp: [0x08, 0x06] } as const;

/**
 * Matches the EtherType of frames without a VLAN tag, in tables of the family bridge. Like `ether type arp`.
 * @throws ValidationError
 */
export const etherType = (name: keyof typeof ETHER_TYPES): Expression[] => {
  checkWord('name', name, ['ip', 'arp']);
  return [
    { expression: 'payload', base: 'link', offset: 12, length: 2, register: REGISTER },
    equals(Uint8Array.from(ETHER_TYPES[name])),
  ];
};

/**
 * Matches the UDP destination port, over IPv4 and IPv6. Like `udp dport 67`.
 * @param port 0 to 65535
 * @throws ValidationError
 */
export const udpPort = (port: number): Expression[] => transportPort(17, 2, port);

/**
 * Matches the TCP destination port, over IPv4 and IPv6. Like `tcp dport 53`.
 * @param port 0 to 65535
 * @throws ValidationError
 */
export const tcpPort = (port: number): Expression[] => transportPort(6, 2, port);

/** Matches ICMP echo requests, IPv4 only. Like `icmp type echo-request`. */
export const echoRequest = (): Expression[] => [
  ...protocol(1),
  { expression: 'payload', base: 'transport', offset: 0, length: 1, register: REGISTER },
  equals(Uint8Array.of(8)),
];

/**
 * Encodes a number that is not part of a packet, such as a mark: 4 bytes in host byte order.
 * @param number 0 to 2^32-1
 * @param field name of the argument in an error
 * @throws ValidationError
 */
export function hostOrder32(number: number, field = 'number'): Uint8Array {
  return uint32(number, typeof field === 'string' ? field : 'number', endianness() === 'LE');
}

const networkOrder32 = (number: number, field: string): Uint8Array => uint32(number, field, false);

function uint32(number: number, field: string, isLittleEndian: boolean): Uint8Array {
  checkNumber(field, number, 0xffff_ffff);
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, number, isLittleEndian);
  return bytes;
}

function networkAddress(offset: number, addresses: string): Expression[] {
  const [address, prefix] = parseNetwork(addresses);
  const mask = Uint8Array.from(ipaddr.IPv4.subnetMaskFromPrefixLength(prefix).octets);
  const value = equals(mask.map((bits, index) => bits & (address.octets[index] as number)));
  return prefix === 32 ? [...loadAddress(offset), value] : [...loadAddress(offset), masked(mask), value];
}

function addressIn(offset: number, set: string): Expression[] {
  checkName('set', set);
  return [...loadAddress(offset), { expression: 'lookup', set, sourceRegister: REGISTER }];
}

/** Dotted decimal without leading zeros, which some parsers read as octal. */
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
  const isPrefix = typeof name === 'string' && name.endsWith('*');
  const bytes = Buffer.from(typeof name === 'string' ? (isPrefix ? name.slice(0, -1) : name) : '');
  if (bytes.length === 0 || bytes.length >= NAME_BYTES || bytes.includes(0)) {
    throw new ValidationError('name', name, 'an interface name of 1 to 15 bytes, or a prefix of one followed by *');
  }
  const data = new Uint8Array(isPrefix ? bytes.length : NAME_BYTES);
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
