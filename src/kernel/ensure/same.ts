import ipaddr from 'ipaddr.js';
import type { Address } from '../address.js';
import type { Neighbour } from '../neighbour.js';
import type { Route } from '../route.js';
import type { Rule } from '../rule.js';

/**
 * Whether an object that the kernel reports is the one that is wanted: what the kernel tells objects of its kind apart by,
 * with its defaults, and what is said of it beside.
 */

export const sameAddress = (there: Address, wanted: Address): boolean =>
  there.index === wanted.index && canonical(there.address) === canonical(wanted.address);

const MAIN_TABLE = 254;
const IPV6_METRIC = 1024;

/** Of routes: told apart, or where they lead; `protocol` and what runs out are not compared. */
const ROUTE_FIELDS = [
  'nextHopId', 'mtu', 'window', 'advertisedMss', 'hopLimit', 'initialWindow', 'initialReceiveWindow', 'reordering',
  'quickAck', 'congestionControl',
] as const satisfies (keyof Route)[]; // biome-ignore format: a list of words

export function sameRoute(there: Route, wanted: Route): boolean {
  const family = familyOf(wanted.destination, wanted.gateway, wanted.family);
  const metric = family === 'inet6' ? IPV6_METRIC : 0;
  return (
    (there.family ?? familyOf(there.destination, there.gateway)) === family &&
    network(there.destination) === network(wanted.destination) &&
    (there.table ?? MAIN_TABLE) === (wanted.table ?? MAIN_TABLE) &&
    (there.metric ?? metric) === (wanted.metric ?? metric) &&
    (there.tos ?? 0) === (wanted.tos ?? 0) &&
    (there.type ?? 'unicast') === (wanted.type ?? 'unicast') &&
    (wanted.nextHopId !== undefined || optional(there.gateway) === optional(wanted.gateway)) &&
    (wanted.index === undefined || there.index === wanted.index) &&
    (wanted.source === undefined || optional(there.source) === optional(wanted.source)) &&
    (wanted.scope === undefined || family === 'inet6' || (there.scope ?? wanted.scope) === wanted.scope) &&
    sameHops(there.nextHops, wanted.nextHops) &&
    given(wanted, ROUTE_FIELDS).every((key) => there[key] === wanted[key])
  );
}

function sameHops(there: Route['nextHops'], wanted: Route['nextHops']): boolean {
  if (there === undefined || wanted === undefined) return wanted === undefined;
  const hop = ({ index, gateway, weight = 1 }: (typeof wanted)[number]) => `${index} ${optional(gateway)} ${weight}`;
  return there.map(hop).sort().join() === wanted.map(hop).sort().join();
}

const ALL_BITS = 0xffff_ffff;

/** Of rules: what packets they take, and what becomes of them. */
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
    optional(there.source) === optional(wanted.source) &&
    optional(there.destination) === optional(wanted.destination) &&
    (there.mark ?? 0) === (wanted.mark ?? 0) &&
    maskOf(there) === maskOf(wanted) &&
    (there.tos ?? 0) === (wanted.tos ?? 0) &&
    (there.invert ?? false) === (wanted.invert ?? false) &&
    (there.l3mdev ?? false) === (wanted.l3mdev ?? false) &&
    RULE_FIELDS.every((key) => plain(there[key]) === plain(wanted[key]))
  );
}

const maskOf = ({ mark, mask }: Rule) => mask ?? (mark === undefined || mark === 0 ? 0 : ALL_BITS);

/** States that last; the kernel moves a neighbour on from the others. */
const LASTING: readonly unknown[] = ['permanent', 'noarp'] satisfies Neighbour['state'][];

/** Of neighbours: whose they are; of what follows from the link if it is not said, what is reported. */
export function sameNeighbour(there: Neighbour, wanted: Neighbour): boolean {
  return (
    there.index === wanted.index &&
    (there.family ?? neighbourFamily(there)) === neighbourFamily(wanted) &&
    optional(there.destination) === optional(wanted.destination) &&
    (there.proxy ?? false) === (wanted.proxy ?? false) &&
    (wanted.address === undefined || there.address === wanted.address.toLowerCase()) &&
    (!LASTING.includes(wanted.state) || there.state === wanted.state) &&
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

function familyOf(one: string | undefined, other: string | undefined, said?: 'inet' | 'inet6'): 'inet' | 'inet6' {
  return said ?? (one?.includes(':') || other?.includes(':') ? 'inet6' : 'inet');
}

/** An address or prefix in the one spelling of it. */
function canonical(text: string): string {
  const [address = '', prefix] = text.split('/');
  if (!ipaddr.isValid(address)) return text;
  const parsed = ipaddr.parse(address);
  return `${parsed.toNormalizedString()}/${prefix ?? (parsed.kind() === 'ipv6' ? 128 : 32)}`;
}

const optional = (text: string | undefined) => (text === undefined ? undefined : canonical(text));

/** Of either family: whose default it is, is told by the family. */
const network = (destination: string) =>
  /^(0\.0\.0\.0|::)\/0$/.test(destination) ? 'default' : canonical(destination);

function given<Keys extends string>(values: { [Key in Keys]?: unknown }, keys: readonly Keys[]): Keys[] {
  return keys.filter((key) => values[key] !== undefined);
}

const plain = (value: unknown) =>
  typeof value === 'object' && value !== null ? Object.entries(value).sort().join() : value?.toString();
