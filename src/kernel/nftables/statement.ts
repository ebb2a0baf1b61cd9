import type { Expression } from './expression.js';
import { hostOrder32, loadDestination } from './match.js';

/**
 * What a rule does with what it matched. Like matches, each gives a list of expressions, which work with register 1. Names
 * of chains, sets and maps are checked by the transaction.
 */

/** `accept`: this base chain lets the packet pass. */
export const accept = (): Expression[] => [{ expression: 'immediate', verdict: 'accept' }];

/** `drop`: the packet goes no further, and nobody is told. */
export const drop = (): Expression[] => [{ expression: 'immediate', verdict: 'drop' }];

/** `counter`: counts packets and bytes, from 0, shown by `nft list ruleset`. */
export const counter = (): Expression[] => [{ expression: 'counter' }];

/** `masquerade`: the source becomes the address of the outgoing interface; in nat chains at postrouting. */
export const masquerade = (): Expression[] => [{ expression: 'masquerade' }];

/**
 * `dnat to ip daddr map @floating`: the destination becomes what the map has for it; in nat chains at prerouting or
 * output. A destination that is not in the map goes on to the next rule.
 * @param map of the same table, of `ipv4_addr` to `ipv4_addr`
 */
export const translateDestinationBy = (map: string): Expression[] => [
  ...loadDestination(),
  { expression: 'lookup', set: map, sourceRegister: 1, register: 1 },
  { expression: 'nat', type: 'dnat', family: 'ip', addressRegister: 1 },
];

/** `ct mark set iif`: the connection remembers the index of the interface through which the packet came in. */
export const markConnectionByInput = (): Expression[] => [
  { expression: 'meta', key: 'iif', register: 1 },
  { expression: 'ct', key: 'mark', sourceRegister: 1 },
];

/** `meta mark set ct mark`: the packet takes its connection's mark, which a policy routing rule can see. */
export const markPacketByConnection = (): Expression[] => [
  { expression: 'ct', key: 'mark', register: 1 },
  { expression: 'meta', key: 'mark', sourceRegister: 1 },
];

/** `meta mark set 0`: the packet has no mark any more. */
export const clearMark = (): Expression[] => [
  { expression: 'immediate', register: 1, data: hostOrder32(0) },
  { expression: 'meta', key: 'mark', sourceRegister: 1 },
];

/** `jump guard`: goes on in another chain of the table, and comes back at its end. */
export const jump = (chain: string): Expression[] => [{ expression: 'immediate', verdict: { jump: chain } }];

/** `goto guard`: goes on in another chain of the table, and does not come back. */
export const goto = (chain: string): Expression[] => [{ expression: 'immediate', verdict: { goto: chain } }];

/**
 * `limit rate 10/second burst 20 packets`: the rule goes on while the rate is kept.
 * @param rate packets a second
 * @param burst packets that may exceed it at once
 */
export const limit = (rate: number, burst: number): Expression[] => [
  { expression: 'limit', rate, unit: 'second', burst },
];

/** `ct count 4`: the rule goes on while no more connections than that are known. */
export const connections = (count: number): Expression[] => [{ expression: 'connlimit', count }];

/**
 * `add @asked { ip daddr }`: the packet's destination is put into the set. A packet whose destination is not in it, and does
 * not fit in any more, goes on to the next rule.
 * @param set of the same table, `dynamic`, of `ipv4_addr`
 */
export const addDestinationTo = (set: string): Expression[] => [
  ...loadDestination(),
  { expression: 'dynset', set, operation: 'add', sourceRegister: 1 },
];
