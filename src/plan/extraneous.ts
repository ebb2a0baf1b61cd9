import type { Actual, ActualNamespace } from '../kernel/ensure/actual.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import type { Neighbour } from '../kernel/neighbour.js';
import type { NftCommand } from '../kernel/nftables/index.js';
import type { Operation } from '../kernel/operation.js';
import type { NftObject } from '../kernel/query.js';
import { isDefaultRoute, MAIN_TABLE, type Route } from '../kernel/route.js';
import { itemsWith } from '../util/index-list.js';
import { REPLY_RULE_PRIORITY } from './floating-ip.js';
import { SLOT_TABLE as SLOTS } from './slots.js';

/**
 * Returns the deletions of extraneous objects of a network: addresses and routes of its links, and rules, elements and
 * permanent neighbours of its namespace that are not in its plan. In the host's namespace only objects of the network's
 * own links are considered. Container namespaces are never considered.
 * @param plan complete plan of the network
 */
export function extraneousOperations(
  plan: readonly Operation[],
  network: string,
  host: NamespaceRef | undefined,
  actual: Actual,
) {
  const own = linksOf(plan);
  const ports = portsOf(plan);
  return [host, network].flatMap((netns): Operation[] => {
    const there = actual.get(netns);
    if (there === undefined) return [];
    const here = plan.filter((operation) => 'netns' in operation && operation.netns === netns);
    return [
      ...addresses(here, own, netns, there),
      ...routes(here, own, netns, there),
      ...(netns === network
        ? [
            ...rules(here, netns, there),
            ...neighbours(here, own, netns, there),
            ...extraneousElements(here, netns, there.nft),
          ]
        : // A slot was claimed, but its port was not opened. The other elements of ports do not change.
          extraneousElements(here.map(slotsOnly), netns, there.nft, (key) => ports.has(String(key)))),
    ];
  });
}

type Netns = NamespaceRef | undefined;

function linksOf(plan: readonly Operation[]): Set<number> {
  const indexes = plan.flatMap((operation) => {
    if (operation.op === 'tap.add') return [operation.tap.index];
    if (operation.op !== 'link.add') return [];
    return operation.link.kind === 'veth'
      ? [operation.link.index, operation.link.data.peer.index]
      : [operation.link.index];
  });
  return new Set(indexes.filter((index) => index !== undefined));
}

/** Names of the links on the host that the plan creates. */
const portsOf = (plan: readonly Operation[]): Set<string> =>
  new Set(
    plan.flatMap((operation) =>
      operation.op === 'tap.add' ? [operation.tap.name] : operation.op === 'link.add' ? [operation.link.name] : [],
    ),
  );

/** Returns an operation without the commands on other tables than that of slots. */
const slotsOnly = (operation: Operation): Operation =>
  operation.op === 'nftables.batch'
    ? { ...operation, commands: operation.commands.filter((command) => 'table' in command && command.table === SLOTS) }
    : operation;

function addresses(plan: Operation[], own: Set<number>, netns: Netns, there: ActualNamespace): Operation[] {
  const wanted = new Set(
    plan.flatMap((operation) => (operation.op === 'address.add' ? [addressKey(operation.address)] : [])),
  );
  return ofLinks(there.addresses, own)
    .filter((address) => !address.address.includes(':') && !wanted.has(addressKey(address)))
    .map(({ index, address }) => ({ op: 'address.delete', netns, address: { index, address } }));
}

/** Returns the objects of links. The number of objects of other links does not matter. */
const ofLinks = <Each extends { index?: number | undefined }>(there: readonly Each[], links: Set<number>): Each[] =>
  [...links].flatMap((index) => itemsWith(there, linkOf, index));

const linkOf = ({ index }: { index?: number | undefined }): unknown => index;

const addressKey = ({ index, address }: { index: number; address: string }) => `${index} ${address}`;

/** Routes of the protocol `kernel` are excluded: the kernel creates and deletes them with the addresses. */
function routes(plan: Operation[], own: Set<number>, netns: Netns, there: ActualNamespace): Operation[] {
  const wanted = new Set(
    plan.flatMap((operation) => (operation.op === 'route.add' ? [routeKey(operation.route)] : [])),
  );
  return ofLinks(there.routes, own)
    .filter(({ protocol, destination }) => protocol !== 'kernel' && !destination.includes(':'))
    .filter((route) => !wanted.has(routeKey(route)))
    .map((route) => ({ op: 'route.delete', netns, route }));
}

function routeKey(route: Route): string {
  const { destination, index, gateway, table = MAIN_TABLE, metric = 0 } = route;
  const target = isDefaultRoute(route) ? 'default' : destination;
  return `${target} ${index} ${gateway} ${table} ${metric}`;
}

/** Permanent entries only: the kernel updates the others. */
function neighbours(plan: Operation[], own: Set<number>, netns: Netns, there: ActualNamespace): Operation[] {
  const key = ({ index, destination }: Neighbour) => `${index} ${destination}`;
  const wanted = new Set(
    plan.flatMap((operation) => (operation.op === 'neighbour.add' ? [key(operation.neighbour)] : [])),
  );
  return ofLinks(there.neighbours, own)
    .filter(({ family, state, proxy }) => family === 'inet' && state === 'permanent' && proxy !== true)
    .filter((neighbour) => !wanted.has(key(neighbour)))
    .map(({ index, destination }) => ({
      op: 'neighbour.delete',
      netns,
      neighbour: { family: 'inet', index, ...(destination !== undefined && { destination }) },
    }));
}

/** Rules for replies of floating addresses have a fixed priority. */
function rules(plan: Operation[], netns: Netns, there: ActualNamespace): Operation[] {
  const wanted = new Set(plan.flatMap((operation) => (operation.op === 'rule.add' ? [operation.rule.mark] : [])));
  return there.rules
    .filter(({ priority, mark }) => priority === REPLY_RULE_PRIORITY && !wanted.has(mark))
    .map((rule) => ({ op: 'rule.delete', netns, rule }));
}

/**
 * Returns the deletions of elements that are not in the plan, of the sets in the plan. Elements of dynamic sets belong
 * to packets and are excluded.
 * @param isOurs returns whether the element with this key may be deleted
 */
export function extraneousElements(
  plan: readonly Operation[],
  netns: Netns,
  there: readonly NftObject[],
  isOurs: (key: unknown) => boolean = () => true,
): Operation[] {
  const commands = plan.flatMap((operation) => (operation.op === 'nftables.batch' ? operation.commands : []));
  const wanted = new Set(
    commands.flatMap((command) =>
      command.command === 'element.add'
        ? command.elements.map(({ key, data }) => elementKey(command.table, command.set, key, data))
        : [],
    ),
  );
  return commands.flatMap((command): Operation[] => {
    // Packets add and delete elements of dynamic sets.
    if (command.command !== 'set.add' || command.dynamic) return [];
    const { family, table, name: set, keyType, dataType } = command;
    const found = there.filter(
      (object) =>
        object.object === 'element' &&
        object.family === family &&
        object.table === table &&
        object.set === set &&
        isOurs(object.key) &&
        !wanted.has(elementKey(table, set, object.key, object.data)),
    );
    if (found.length === 0) return [];
    const element: NftCommand = {
      ...{ command: 'element.delete', family, table, set, keyType, ...(dataType !== undefined && { dataType }) },
      elements: found.map(({ key, data }) => ({ key, ...(data !== undefined && { data }) })),
    } as NftCommand;
    return [{ op: 'nftables.batch', netns, commands: [element] }];
  });
}

const elementKey = (table: string, set: string, key: unknown, data: unknown) => `${table} ${set} ${key} ${data ?? ''}`;
