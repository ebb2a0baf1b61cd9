import type { Expression } from './expression.js';
import { hostOrder32, loadDestination } from './match.js';

/** What a rule does with what it matched. Like matches, each gives a list of expressions. */

export const accept = (): Expression[] => [{ expression: 'immediate', verdict: 'accept' }];

export const drop = (): Expression[] => [{ expression: 'immediate', verdict: 'drop' }];

/** Counts packets and bytes, shown by `nft list ruleset`. */
export const counter = (): Expression[] => [{ expression: 'counter' }];

/** `masquerade`: the source becomes the address of the outgoing interface. */
export const masquerade = (): Expression[] => [{ expression: 'masquerade' }];

/** `dnat to ip daddr map @floating`; a destination that is not in the map goes on to the next rule. */
export const translateDestinationBy = (map: string): Expression[] => [
  ...loadDestination(),
  { expression: 'lookup', set: map, sourceRegister: 1, register: 1 },
  { expression: 'nat', type: 'dnat', family: 'ip', addressRegister: 1 },
];

/** `ct mark set iif`: the connection remembers the interface through which it came in. */
export const markConnectionByInput = (): Expression[] => [
  { expression: 'meta', key: 'iif', register: 1 },
  { expression: 'ct', key: 'mark', sourceRegister: 1 },
];

/** `meta mark set ct mark`: the packet takes its connection's mark, which a policy routing rule can see. */
export const markPacketByConnection = (): Expression[] => [
  { expression: 'ct', key: 'mark', register: 1 },
  { expression: 'meta', key: 'mark', sourceRegister: 1 },
];

/** `meta mark set 0` */
export const clearMark = (): Expression[] => [
  { expression: 'immediate', register: 1, data: hostOrder32(0) },
  { expression: 'meta', key: 'mark', sourceRegister: 1 },
];

/** `jump guard`: goes on in another chain, and comes back at its end. */
export const jump = (chain: string): Expression[] => [{ expression: 'immediate', verdict: { jump: chain } }];
