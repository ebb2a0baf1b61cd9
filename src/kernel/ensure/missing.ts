import { defined } from '../../util/defined.js';
import { itemsWith } from '../../util/index-list.js';
import type { Link, LinkAttributes, LinkKind, LinkSpec } from '../link/index.js';
import type { NamespaceRef } from '../namespace.js';
import type { Operation, OperationName } from '../operation.js';
import type { Filter, FilterSpec, Qdisc, QdiscSpec, TbfOptions, TrafficAction, U32Options } from '../traffic.js';
import { type Actual, type ActualNamespace, placeOf } from './actual.js';
import { type IsForeign, missingRuleset } from './missing-ruleset.js';
import { addressKey, neighbourKey, routeKey, sameAddress, sameNeighbour, sameRoute, sameRule } from './same.js';

/**
 * Returns the operations of a plan that are missing, compared with the actual state: none if the plan is satisfied. An
 * operation may be replaced by others that lead to the same state. Deletions are ignored.
 * @param isForeign returns whether an object in a table of the plan belongs to another program. Default: none
 */
export function missingOperations(plan: readonly Operation[], actual: Actual, isForeign?: IsForeign): Operation[] {
  const steps = plan.flatMap((operation) => remaining(operation, actual));
  return [...steps, ...missingRuleset(plan, actual, isForeign)];
}

type Of<Op extends OperationName> = Extract<Operation, { op: Op }>;
type Check<Op extends OperationName> = (operation: Of<Op>, there: ActualNamespace) => boolean | Operation[];

/**
 * Check of each operation: true if it is satisfied, false if it has to be executed, or the operations to execute
 * instead.
 */
const checks: { [Op in OperationName]?: Check<Op> } = {
  'link.add': (operation, { links }) => {
    const { link } = operation;
    const netns = placeOf(operation);
    const there = findLink(links, link);
    // A link of another kind is left alone. The kernel reports a conflict.
    if (there === undefined || there.kind !== link.kind) return false;
    // The MTU of a bridge is set after its creation.
    const { mtu, name, address, master, up, group } = link;
    const rest = { name, address: address?.toLowerCase(), master, up, group };
    const wanted: LinkAttributes = defined(link.kind === 'bridge' ? rest : { ...rest, mtu });
    return [...changeLink(netns, there, wanted), ...changeOptions(netns, link, there)];
  },
  'tap.add': ({ tap, netns }, { links }) => {
    const there = findLink(links, tap);
    return there === undefined ? false : changeLink(netns, there, { name: tap.name });
  },
  'link.set': ({ link, changes }, { links }) => {
    const there = findLink(links, link);
    return there !== undefined && matches(there, changes);
  },
  'link.port': ({ index, port }, { links }) => {
    const there = links.get(index);
    return there?.port !== undefined && matches(there.port, port);
  },
  'link.offload': ({ index, txChecksum }, { offloads }) => offloads?.get(index) === txChecksum,
  'link.ipv6': ({ index, disabled }, { links }) => {
    const there = links.get(index);
    return there !== undefined && (there.ipv6Disabled ?? disabled) === disabled;
  },
  'address.add': ({ address }, { addresses }) =>
    itemsWith(addresses, addressKey, addressKey(address)).some((each) => sameAddress(each, address)),
  'route.add': ({ route }, { routes }) =>
    itemsWith(routes, routeKey, routeKey(route)).some((each) => sameRoute(each, route)),
  'rule.add': ({ rule }, { rules }) => rules.some((each) => sameRule(each, rule)),
  'neighbour.add': ({ neighbour }, { neighbours }) =>
    itemsWith(neighbours, neighbourKey, neighbourKey(neighbour)).some((each) => sameNeighbour(each, neighbour)),
  'qdisc.add': (operation, { qdiscs = [] }) => {
    const { qdisc } = operation;
    const parent = qdisc.parent ?? (qdisc.kind === 'ingress' ? 'ingress' : 'root');
    const there = qdiscs.find((each) => each.index === qdisc.index && each.parent === parent);
    return (there !== undefined && sameQdisc(there, qdisc)) || [{ ...operation, mode: 'replace' }];
  },
  'filter.add': (operation, { filters = [] }) => {
    const { filter, netns } = operation;
    const there = filters.find((each) => sameFilterKey(each, filter));
    if (there === undefined) return false;
    if (sameActions(there, filter)) return true;
    const { data: _, ...reference } = filter;
    return [{ op: 'filter.delete', netns, filter: { ...reference, handle: there.handle } }, operation];
  },
  // The kernel separates several numbers by tabs.
  'sysctl.set': ({ key, value }, { sysctls }) => sysctls.get(key)?.replaceAll('\t', ' ') === String(value),
};

function remaining(operation: Operation, actual: Actual): Operation[] {
  if (operation.op === 'namespace.add') return actual.has(operation.name) ? [] : [operation];
  const check = checks[operation.op] as Check<OperationName> | undefined;
  if (check === undefined || operation.op === 'namespace.delete') return [];
  const there = actual.get(placeOf(operation));
  if (there === undefined) return [operation];
  const result = check(operation, there);
  if (typeof result === 'boolean') return result ? [] : [operation];
  return result;
}

/** Finds by index if one is given: a link may have been renamed. */
function findLink(
  links: ActualNamespace['links'],
  { index, name }: { index?: number | undefined; name?: string | undefined },
): Link | undefined {
  if (index !== undefined) return links.get(index);
  return [...links.values()].find((link) => link.name === name);
}

/** Link options that plans set and the kernel can change later. */
const CHANGEABLE: Partial<Record<LinkKind, readonly string[]>> = {
  bridge: ['stp', 'forwardDelay', 'multicastSnooping', 'linkLocalLearning', 'maximumLearned'],
  vxlan: ['learning', 'link', 'local'],
};

/** Returns changes of the options of its kind. VXLAN changes need `id`. */
function changeOptions(netns: NamespaceRef | undefined, link: LinkSpec, there: Link): Operation[] {
  const wanted = Object.entries(link.data ?? {});
  const differing = wanted.filter(
    ([key, value]) =>
      CHANGEABLE[link.kind]?.includes(key) && there.data?.[key] !== undefined && there.data[key] !== value,
  );
  const id = wanted.filter(([key]) => key === 'id');
  // One operation per option: with the spanning tree enabled, a bridge rejects some forward delays that it accepts
  // otherwise.
  return differing.map((option) => {
    const changes = { kind: link.kind, data: Object.fromEntries([...id, option]) };
    return { op: 'link.set', netns, link: { index: there.index }, changes };
  });
}

/** Returns changes of the common attributes. */
function changeLink(netns: NamespaceRef | undefined, there: Link, wanted: LinkAttributes): Operation[] {
  const changes = Object.fromEntries(Object.entries(wanted).filter(([key, value]) => there[key] !== value));
  const link = { index: there.index };
  return Object.keys(changes).length === 0 ? [] : [{ op: 'link.set', netns, link, changes }];
}

/** True if all wanted values are reported. Values that the kernel does not report are treated as equal. */
function matches(there: unknown, wanted: unknown): boolean {
  if (there === undefined) return false;
  if (typeof wanted !== 'object' || wanted === null) return there === wanted;
  return Object.entries(wanted).every(([key, value]) => {
    const reported = (there as Record<string, unknown>)[key];
    const isOptional = key === 'inet' || key === 'inet6';
    return (isOptional && reported === undefined) || matches(reported, value);
  });
}

/** Compares queueing options. The kernel stores bursts as times, so reported values differ slightly. */
function sameQdisc(there: Qdisc, wanted: QdiscSpec): boolean {
  if (there.kind !== wanted.kind) return false;
  return wanted.kind !== 'tbf' || matches(there.data, defined(exactly(wanted.data)));
}

const sameFilterKey = (there: Filter, wanted: FilterSpec) =>
  there.index === wanted.index &&
  there.parent === (wanted.parent ?? 'ingress') &&
  there.priority === wanted.priority &&
  there.protocol === (wanted.protocol ?? 'all') &&
  there.kind === wanted.kind &&
  selectors(there.data?.matches) === selectors(wanted.kind === 'u32' ? wanted.data.matches : undefined);

/** Selectors with a mask. */
const selectors = (matches: U32Options['matches'] = []) =>
  matches.flatMap(({ offset, mask, value }) => (mask === 0 ? [] : [`${offset} ${mask} ${value}`])).join();

/** Compares actions. The kernel stores bursts as times here, too. */
function sameActions({ data }: Filter, wanted: FilterSpec): boolean {
  const there = data?.actions ?? [];
  const { actions } = wanted.data;
  return (
    there.length === actions.length && actions.every((action, index) => matches(there[index], withDefaults(action)))
  );
}

function withDefaults(action: TrafficAction): object {
  if (action.kind === 'mirred') return { ...action, mode: action.mode ?? 'redirect egress' };
  const { burst: _, mtu: __, ...rest } = action;
  return { ...rest, exceeding: rest.exceeding ?? 'drop', conforming: rest.conforming ?? 'pass' };
}

function exactly({ rate, burst, latency, limit, peakRate }: TbfOptions): Record<string, unknown> {
  return { rate, limit: latency === undefined ? limit : Math.floor(rate * latency + burst), peakRate };
}
