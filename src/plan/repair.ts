import type { LinkAttributes } from '../kernel/link/index.js';
import type { Operation, OperationName } from '../kernel/operation.js';
import type { Actual, ActualNamespace } from './actual.js';
import { outstandingRuleset } from './repair-ruleset.js';

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
    if (link.index === undefined || !links.has(link.index)) return false;
    // A bridge is created with another MTU than it is to have.
    const { mtu, ...rest } = { mtu: link.mtu, name: link.name, address: link.address, master: link.master };
    const wanted: LinkAttributes = defined(link.kind === 'bridge' ? rest : { ...rest, mtu });
    return changeLink(netns, link.index, wanted, links);
  },
  'tap.add': ({ tap, netns }, { links }) => {
    if (tap.index === undefined || !links.has(tap.index)) return false;
    return changeLink(netns, tap.index, { name: tap.name }, links);
  },
  'link.set': ({ link, changes }, { links }) => {
    const there = 'index' in link ? links.get(link.index) : [...links.values()].find(({ name }) => name === link.name);
    return there !== undefined && matches(there, changes);
  },
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

/** What has to be changed of a link that is there. */
function changeLink(
  netns: Of<'link.set'>['netns'],
  index: number,
  wanted: LinkAttributes,
  links: ActualNamespace['links'],
): Operation[] {
  const there = links.get(index);
  const changes = Object.fromEntries(Object.entries(wanted).filter(([key, value]) => there?.[key] !== value));
  return Object.keys(changes).length === 0 ? [] : [{ op: 'link.set', netns, link: { index }, changes }];
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

const normal = (destination: string) => (destination === 'default' ? ANYWHERE : destination);

function defined(values: LinkAttributes | Record<string, unknown>): LinkAttributes {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
