import type { Link, LinkAttributes, LinkKind } from '../link/index.js';
import type { Operation, OperationName } from '../operation.js';
import type { Qdisc, QdiscSpec, TbfOptions } from '../traffic.js';
import type { Actual, ActualNamespace } from './actual.js';
import { outstandingRuleset } from './outstanding-ruleset.js';

/**
 * What of a plan is still to be done, given what there is. The plan that makes a thing describes it, so it also says
 * what is missing: nothing is left of a plan that holds. What a plan only forgets or takes away is not drift.
 */
export function outstanding(plan: readonly Operation[], actual: Actual): Operation[] {
  const steps = plan.flatMap((operation) => remaining(operation, actual));
  return [...steps, ...outstandingRuleset(plan, actual)];
}

type Of<Op extends OperationName> = Extract<Operation, { op: Op }>;
type Check<Op extends OperationName> = (operation: Of<Op>, there: ActualNamespace) => boolean | Operation[];

const MAIN_TABLE = 254;
const ANYWHERE = '0.0.0.0/0';

/** For each kind of operation: true if it holds, false if it is to be done, or what is to be done instead. */
const checks: { [Op in OperationName]?: Check<Op> } = {
  'link.add': (operation, { links }) => {
    const { link, netns } = operation;
    const there = findLink(links, link);
    if (there === undefined) return false;
    // A bridge is created with another MTU than it is to have.
    const { mtu, ...rest } = { mtu: link.mtu, name: link.name, address: link.address, master: link.master };
    const wanted: LinkAttributes = defined(link.kind === 'bridge' ? rest : { ...rest, mtu });
    return [...changeLink(netns, there, wanted), ...changeOptions(operation, there)];
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
  'address.add': ({ address }, { addresses }) =>
    addresses.some((each) => each.index === address.index && each.address === address.address),
  'route.add': ({ route }, { routes }) =>
    routes.some(
      (each) =>
        normal(each.destination) === normal(route.destination) &&
        each.index === route.index &&
        each.gateway === route.gateway &&
        (each.table ?? MAIN_TABLE) === (route.table ?? MAIN_TABLE),
    ),
  'rule.add': ({ rule }, { rules }) =>
    rules.some((each) => each.priority === rule.priority && each.mark === rule.mark && each.table === rule.table),
  'neighbour.add': ({ neighbour }, { neighbours }) =>
    neighbours.some(
      (each) =>
        each.index === neighbour.index &&
        each.destination === neighbour.destination &&
        (each.proxy ?? false) === (neighbour.proxy ?? false),
    ),
  'qdisc.add': (operation, { qdiscs = [] }) => {
    const { qdisc } = operation;
    const parent = qdisc.parent ?? (qdisc.kind === 'ingress' ? 'ingress' : 'root');
    const there = qdiscs.find((each) => each.index === qdisc.index && each.parent === parent);
    return (there !== undefined && queuesAs(there, qdisc)) || [{ ...operation, mode: 'replace' }];
  },
  'filter.add': ({ filter }, { filters = [] }) =>
    filters.some(
      (each) =>
        each.index === filter.index &&
        each.parent === (filter.parent ?? 'ingress') &&
        each.priority === filter.priority &&
        each.kind === filter.kind,
    ),
  'sysctl.set': ({ key, value }, { sysctls }) => sysctls.get(key) === String(value),
};

function remaining(operation: Operation, actual: Actual): Operation[] {
  if (operation.op === 'namespace.add') return actual.has(operation.name) ? [] : [operation];
  const check = checks[operation.op] as Check<OperationName> | undefined;
  if (check === undefined || operation.op === 'namespace.delete') return [];
  const there = actual.get(operation.netns);
  if (there === undefined) return [operation];
  const result = check(operation, there);
  if (typeof result === 'boolean') return result ? [] : [operation];
  return result;
}

/** By index where one is given: a link may have been renamed. */
function findLink(
  links: ActualNamespace['links'],
  { index, name }: { index?: number | undefined; name?: string | undefined },
): Link | undefined {
  if (index !== undefined) return links.get(index);
  return [...links.values()].find((link) => link.name === name);
}

/** Options of links that the kernel changes afterwards, of those that plans set. */
const CHANGEABLE: Partial<Record<LinkKind, readonly string[]>> = {
  bridge: ['stp', 'forwardDelay', 'multicastSnooping'],
  vxlan: ['learning'],
};

/** What has to be changed of its own options. Without `id` it would not be one of a VXLAN. */
function changeOptions({ netns, link }: Of<'link.add'>, there: Link): Operation[] {
  const wanted = Object.entries(link.data ?? {});
  const differing = wanted.filter(
    ([key, value]) =>
      CHANGEABLE[link.kind]?.includes(key) && there.data?.[key] !== undefined && there.data[key] !== value,
  );
  if (there.kind !== link.kind || differing.length === 0) return [];
  const id = wanted.filter(([key]) => key === 'id');
  // One by one: a bridge that runs the spanning tree protocol refuses delays that it takes without.
  return differing.map((option) => {
    const changes = { kind: link.kind, data: Object.fromEntries([...id, option]) };
    return { op: 'link.set', netns, link: { index: there.index }, changes };
  });
}

/** What has to be changed of a link that is there. */
function changeLink(netns: Of<'link.set'>['netns'], there: Link, wanted: LinkAttributes): Operation[] {
  const changes = Object.fromEntries(Object.entries(wanted).filter(([key, value]) => there[key] !== value));
  const link = { index: there.index };
  return Object.keys(changes).length === 0 ? [] : [{ op: 'link.set', netns, link, changes }];
}

/** True if everything that is wanted is reported so; what is not reported can't be told. */
function matches(there: unknown, wanted: unknown): boolean {
  if (there === undefined) return false;
  if (typeof wanted !== 'object' || wanted === null) return there === wanted;
  return Object.entries(wanted).every(([key, value]) => {
    const reported = (there as Record<string, unknown>)[key];
    const optional = key === 'inet' || key === 'inet6';
    return (optional && reported === undefined) || matches(reported, value);
  });
}

/** Bursts are kept as times, so what is reported differs a little. */
function queuesAs(there: Qdisc, wanted: QdiscSpec): boolean {
  if (there.kind !== wanted.kind) return false;
  return wanted.kind !== 'tbf' || matches(there.data, defined(exactly(wanted.data)));
}

function exactly({ rate, burst, latency, limit, peakRate }: TbfOptions): Record<string, unknown> {
  return { rate, limit: latency === undefined ? limit : Math.floor(rate * latency + burst), peakRate };
}

const normal = (destination: string) => (destination === 'default' ? ANYWHERE : destination);

function defined(values: LinkAttributes | Record<string, unknown>): LinkAttributes {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
