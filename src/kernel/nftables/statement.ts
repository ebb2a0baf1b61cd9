import { ValidationError } from '../../errors.js';
import { checkAddress, checkBytes, checkName, checkNumber, checkWord } from './check.js';
import type { Expression } from './expression.js';
import { hostOrder32, loadDestination } from './match.js';

/**
 * Builders of statements (nft(8), STATEMENTS). Like matches, each returns a list of expressions that use register 1. Invalid
 * arguments are a `ValidationError`; whether chains, sets and maps exist is checked by the kernel.
 */

/** Accepts the packet: this base chain ends. Like `accept`. */
export const accept = (): Expression[] => [{ expression: 'immediate', verdict: 'accept' }];

/** Drops the packet without notice to its sender. Like `drop`. */
export const drop = (): Expression[] => [{ expression: 'immediate', verdict: 'drop' }];

/** Does not track the connection of the packet. At prerouting or output, before priority -200. Like `notrack`. */
export const doNotTrack = (): Expression[] => [{ expression: 'notrack' }];

/** Counts packets and bytes, from 0. `nft list ruleset` shows the counts. Like `counter`. */
export const counter = (): Expression[] => [{ expression: 'counter' }];

/** Translates the source to the address of the output interface. In nat chains at postrouting. Like `masquerade`. */
export const masquerade = (): Expression[] => [{ expression: 'masquerade' }];

/**
 * Translates the destination to the data that a map has for it. In nat chains at prerouting or output. A packet without an
 * element continues with the next rule. Like `dnat to ip daddr map @floating`.
 * @param map a map of the same table, from `ipv4_addr` to `ipv4_addr`
 * @throws ValidationError
 */
export const translateDestinationBy = (map: string): Expression[] => {
  checkName('map', map);
  return [
    ...loadDestination(),
    { expression: 'lookup', set: map, sourceRegister: 1, register: 1 },
    { expression: 'nat', type: 'dnat', family: 'ip', addressRegister: 1 },
  ];
};

/**
 * Translates the source to an address. In nat chains at postrouting or input. Like `snat to 172.16.0.9`.
 * @param address IPv4 address
 * @throws ValidationError
 */
export const translateSource = (address: string): Expression[] => translate('snat', address);

/**
 * Translates the destination to an address. In nat chains at prerouting or output. Like `dnat to 172.16.0.9`.
 * @param address IPv4 address
 * @throws ValidationError
 */
export const translateDestination = (address: string): Expression[] => translate('dnat', address);

function translate(type: 'snat' | 'dnat', address: string): Expression[] {
  return [
    { expression: 'immediate', register: 1, data: checkAddress('address', address) },
    { expression: 'nat', type, family: 'ip', addressRegister: 1 },
  ];
}

/** linux/if_packet.h */
const PACKET_HOST = 0;

/** Offset of the checksum in a UDP header. */
const UDP_CHECKSUM = 6;

/**
 * Writes bytes after the UDP header and corrects the UDP checksum. Like `@th,160,32 set 0xac100009 udp checksum set …`.
 * @param offset from the UDP header, in bytes, even, 8 to 254
 * @param values 2 to 16 bytes, an even number
 * @throws ValidationError
 */
export const writeUdpPayload = (offset: number, values: readonly number[]): Expression[] => {
  checkNumber('offset', offset, 0xfe, 8);
  const data = checkBytes('values', values);
  if (offset % 2 !== 0 || data.length % 2 !== 0) {
    throw new ValidationError('values', values, 'an even number of bytes at an even offset');
  }
  return [
    { expression: 'immediate', register: 1, data },
    {
      expression: 'payload',
      base: 'transport',
      offset,
      length: data.length,
      sourceRegister: 1,
      checksum: 'inet',
      checksumOffset: UDP_CHECKSUM,
    },
  ];
};

/** Lets the input interface accept a frame, whatever its destination MAC is. Like `meta pkttype set host`. */
export const receive = (): Expression[] => [
  { expression: 'immediate', register: 1, data: Uint8Array.of(PACKET_HOST) },
  { expression: 'meta', key: 'pkttype', sourceRegister: 1 },
];

/** Removes the packet mark. Like `meta mark set 0`. */
export const clearMark = (): Expression[] => [
  { expression: 'immediate', register: 1, data: hostOrder32(0) },
  { expression: 'meta', key: 'mark', sourceRegister: 1 },
];

/** Continues in another chain of the table, and returns at its end. Like `jump guard`. @throws ValidationError */
export const jump = (chain: string): Expression[] => {
  checkName('chain', chain);
  return [{ expression: 'immediate', verdict: { jump: chain } }];
};

/** Continues in another chain of the table, and does not return. Like `goto guard`. @throws ValidationError */
export const goto = (chain: string): Expression[] => {
  checkName('chain', chain);
  return [{ expression: 'immediate', verdict: { goto: chain } }];
};

/**
 * Continues the rule while the rate is not exceeded. Like `limit rate 10/second burst 20 packets`.
 * @param rate packets or bytes per second, at least 1
 * @param burst packets or bytes that may exceed the rate at once, 0 to 2^32-1
 * @param type unit of rate and burst. One packet may be several segments that the sender's kernel has not split yet
 * (UDP_SEGMENT, udp(7))
 * @throws ValidationError
 */
export const limit = (rate: number, burst: number, type: 'packets' | 'bytes' = 'packets'): Expression[] => {
  checkNumber('rate', rate, Number.MAX_SAFE_INTEGER, 1);
  checkNumber('burst', burst, 0xffff_ffff);
  checkWord('type', type, ['packets', 'bytes']);
  return [{ expression: 'limit', rate, unit: 'second', burst, type }];
};

/**
 * Continues the rule while at most this number of connections is tracked. Like `ct count 4`.
 * @param count 0 to 2^32-1
 * @throws ValidationError
 */
export const connections = (count: number): Expression[] => {
  checkNumber('count', count, 0xffff_ffff);
  return [{ expression: 'connlimit', count }];
};

/**
 * Adds the IPv4 destination address to a set. If the set is full, a packet with a new address continues with the next rule.
 * Like `add @asked { ip daddr }`.
 * @param set a `dynamic` set of the same table with the key type `ipv4_addr`
 * @throws ValidationError
 */
export const addDestinationTo = (set: string): Expression[] => {
  checkName('set', set);
  return [...loadDestination(), { expression: 'dynset', set, operation: 'add', sourceRegister: 1 }];
};
