import { isIPv4 } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { Address } from '../address.js';
import type { Neighbour } from '../neighbour.js';
import { isDefaultRoute, MAIN_TABLE, type Route, routeFamily } from '../route.js';
import type { Rule } from '../rule.js';

/**
 * Comparison of a reported object with a wanted one: the key of the object in the kernel, with the kernel's defaults,
 * and the attributes that the caller has set.
 */

export const sameAddress = (there: Address, wanted: Address): boolean =>
  there.index === wanted.index && canonical(there.address) === canonical(wanted.address);

/*
 * Keys of objects: those of the same object are equal, so that only objects with the same key need be compared.
 */

export const addressKey = ({ index }: Address): unknown => index;
export const routeKey = (route: Route): unknown => network(route);
export const neighbourKey = ({ index, destination }: Neighbour): unknown =>
  `${index} ${canonicalOrAbsent(destination)}`;

const IPV6_METRIC = 1024;

/** Compared attributes of routes. `protocol` and expiring attributes are ignored. */
const ROUTE_FIELDS = [
  'nextHopId', 'mtu', 'window', 'advertisedMss', 'hopLimit', 'initialWindow', 'initialReceiveWindow', 'reordering',
  'quickAck', 'congestionControl',
] as const satisfies (keyof Route)[]; // biome-ignore format: a list of words

export function sameRoute(there: Route, wanted: Route): boolean {
  const family = routeFamily(wanted);
  const metric = family === 'inet6' ? IPV6_METRIC : 0;
  return (
    routeFamily(there) === family &&
    network(there) === network(wanted) &&
    (there.table ?? MAIN_TABLE) === (wanted.table ?? MAIN_TABLE) &&
    (there.metric ?? metric) === (wanted.metric ?? metric) &&
    (there.tos ?? 0) === (wanted.tos ?? 0) &&
    (there.type ?? 'unicast') === (wanted.type ?? 'unicast') &&
    (wanted.nextHopId !== undefined || canonicalOrAbsent(there.gateway) === canonicalOrAbsent(wanted.gateway)) &&
    (wanted.index === undefined || there.index === wanted.index) &&
    (wanted.source === undefined || canonicalOrAbsent(there.source) === canonicalOrAbsent(wanted.source)) &&
    (wanted.scope === undefined || family === 'inet6' || (there.scope ?? wanted.scope) === wanted.scope) &&
    sameHops(there.nextHops, wanted.nextHops) &&
    presentKeys(wanted, ROUTE_FIELDS).every((key) => there[key] === wanted[key])
  );
}

function sameHops(there: Route['nextHops'], wanted: Route['nextHops']): boolean {
  if (there === undefined || wanted === undefined) return wanted === undefined;
  const hop = ({ index, gateway, weight = 1 }: (typeof wanted)[number]) =>
    `${index} ${canonicalOrAbsent(gateway)} ${weight}`;
  return there.map(hop).sort().join() === wanted.map(hop).sort().join();
}

const ALL_BITS = 0xffff_ffff;

/** Compared selectors and actions of rules. */
const RULE_FIELDS = [
  'goto', 'inputInterface', 'outputInterface', 'ipProtocol', 'sourcePorts', 'destinationPorts', 'userIds',
  'suppressPrefixLength', 'suppressGroup', 'tunnelId', 'realms',
] as const satisfies (keyof Rule)[]; // biome-ignore format: a list of words

export function sameRule(there: Rule, wanted: Rule): boolean {
  const family = familyOf(wanted.source, wanted.destination, wanted.family);
  return (
    (there.family ?? familyOf(there.source, there.destination)) === family &&
    there.priority === wanted.priority &&
    (wanted.table === undefined || there.table === wanted.table) &&
    (there.action ?? 'lookup') === (wanted.action ?? 'lookup') &&
    canonicalOrAbsent(there.source) === canonicalOrAbsent(wanted.source) &&
    canonicalOrAbsent(there.destination) === canonicalOrAbsent(wanted.destination) &&
    (there.mark ?? 0) === (wanted.mark ?? 0) &&
    maskOf(there) === maskOf(wanted) &&
    (there.tos ?? 0) === (wanted.tos ?? 0) &&
    (there.invert ?? false) === (wanted.invert ?? false) &&
    (there.l3mdev ?? false) === (wanted.l3mdev ?? false) &&
    RULE_FIELDS.every((key) => comparable(there[key]) === comparable(wanted[key]))
  );
}

const maskOf = ({ mark, mask }: Rule) => mask ?? (mark === undefined || mark === 0 ? 0 : ALL_BITS);

/** Permanent states. The kernel changes the other states. */
const PERMANENT_STATES: readonly unknown[] = ['permanent', 'noarp'] satisfies Neighbour['state'][];

/** Compares neighbours. Attributes that default to those of the link are compared only if they are reported. */
export function sameNeighbour(there: Neighbour, wanted: Neighbour): boolean {
  return (
    there.index === wanted.index &&
    (there.family ?? neighbourFamily(there)) === neighbourFamily(wanted) &&
    canonicalOrAbsent(there.destination) === canonicalOrAbsent(wanted.destination) &&
    (there.proxy ?? false) === (wanted.proxy ?? false) &&
    (wanted.address === undefined || there.address === wanted.address.toLowerCase()) &&
    (!PERMANENT_STATES.includes(wanted.state) || there.state === wanted.state) &&
    (wanted.self !== true || there.self === true) &&
    (wanted.master !== true || there.masterIndex !== undefined) &&
    (wanted.sticky === undefined || (there.sticky ?? false) === wanted.sticky) &&
    (['vni', 'port', 'via', 'sourceVni', 'nextHopId', 'vlan'] as const).every(
      (key) => wanted[key] === undefined || there[key] === undefined || there[key] === wanted[key],
    )
  );
}

export function neighbourFamily({ family, destination }: Neighbour): 'inet' | 'inet6' | 'bridge' {
  return family ?? familyOf(destination, undefined);
}

function familyOf(one: string | undefined, other: string | undefined, explicit?: 'inet' | 'inet6'): 'inet' | 'inet6' {
  return explicit ?? (one?.includes(':') || other?.includes(':') ? 'inet6' : 'inet');
}

/** Normalises the notation of an address or prefix. */
function canonical(text: string): string {
  const [address = '', prefix] = text.split('/');
  // Most addresses. The parser takes 50 times as long.
  if (isIPv4(address)) return `${address}/${prefix ?? 32}`;
  if (!ipaddr.isValid(address)) return text;
  const parsed = ipaddr.parse(address);
  return `${parsed.toNormalizedString()}/${prefix ?? (parsed.kind() === 'ipv6' ? 128 : 32)}`;
}

const canonicalOrAbsent = (text: string | undefined) => (text === undefined ? undefined : canonical(text));

/** Normalises the destination of a route. The family is compared separately. */
const network = (route: Route) => (isDefaultRoute(route) ? 'default' : canonical(route.destination));

function presentKeys<Keys extends string>(values: { [Key in Keys]?: unknown }, keys: readonly Keys[]): Keys[] {
  return keys.filter((key) => values[key] !== undefined);
}

const comparable = (value: unknown) =>
  typeof value === 'object' && value !== null ? Object.entries(value).sort().join() : value?.toString();
