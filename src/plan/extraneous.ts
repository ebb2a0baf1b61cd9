import type { Actual, ActualNamespace } from '../kernel/ensure/actual.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import type { Neighbour } from '../kernel/neighbour.js';
import type { NftCommand } from '../kernel/nftables/index.js';
import type { Operation } from '../kernel/operation.js';
import type { NftObject } from '../kernel/query.js';
import type { Route } from '../kernel/route.js';
import { REPLY_RULE_PRIORITY } from './floating-ip.js';

const MAIN_TABLE = 254;

/**
 * What there is beyond a network's plan, and is to go: addresses and routes of its links, rules, elements and permanent
 * neighbours of its namespace. What is others' is left alone, whatever it looks like: on the host only what belongs to a link of the
 * network counts, and what is put into containers is theirs.
 * @param plan everything the network is to have
 */
export function extraneousOperations(
  plan: readonly Operation[],
  network: string,
  host: NamespaceRef | undefined,
  actual: Actual,
) {
  const own = linksOf(plan);
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
        : []),
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

function addresses(plan: Operation[], own: Set<number>, netns: Netns, there: ActualNamespace): Operation[] {
  const wanted = new Set(
    plan.flatMap((operation) => (operation.op === 'address.add' ? [addressKey(operation.address)] : [])),
  );
  return there.addresses
    .filter((address) => own.has(address.index) && !address.address.includes(':') && !wanted.has(addressKey(address)))
    .map(({ index, address }) => ({ op: 'address.delete', netns, address: { index, address } }));
}

const addressKey = ({ index, address }: { index: number; address: string }) => `${index} ${address}`;

/** Those the kernel makes by itself, for addresses, come and go with these. */
function routes(plan: Operation[], own: Set<number>, netns: Netns, there: ActualNamespace): Operation[] {
  const wanted = new Set(
    plan.flatMap((operation) => (operation.op === 'route.add' ? [routeKey(operation.route)] : [])),
  );
  return there.routes
    .filter(
      ({ index, protocol, destination }) => own.has(index ?? 0) && protocol !== 'kernel' && !destination.includes(':'),
    )
    .filter((route) => !wanted.has(routeKey(route)))
    .map((route) => ({ op: 'route.delete', netns, route }));
}

function routeKey({ destination, index, gateway, table = MAIN_TABLE, metric = 0 }: Route): string {
  const target = destination === 'default' ? '0.0.0.0/0' : destination;
  return `${target} ${index} ${gateway} ${table} ${metric}`;
}

/** Permanent entries, which no answer of the address's owner corrects. */
function neighbours(plan: Operation[], own: Set<number>, netns: Netns, there: ActualNamespace): Operation[] {
  const key = ({ index, destination }: Neighbour) => `${index} ${destination}`;
  const wanted = new Set(
    plan.flatMap((operation) => (operation.op === 'neighbour.add' ? [key(operation.neighbour)] : [])),
  );
  return there.neighbours
    .filter(({ family, state, proxy }) => family === 'inet' && state === 'permanent' && proxy !== true)
    .filter((neighbour) => own.has(neighbour.index) && !wanted.has(key(neighbour)))
    .map(({ index, destination }) => ({
      op: 'neighbour.delete',
      netns,
      neighbour: { family: 'inet', index, ...(destination !== undefined && { destination }) },
    }));
}

/** The rules that carry replies of floating addresses are told by their priority. */
function rules(plan: Operation[], netns: Netns, there: ActualNamespace): Operation[] {
  const wanted = new Set(plan.flatMap((operation) => (operation.op === 'rule.add' ? [operation.rule.mark] : [])));
  return there.rules
    .filter(({ priority, mark }) => priority === REPLY_RULE_PRIORITY && !wanted.has(mark))
    .map((rule) => ({ op: 'rule.delete', netns, rule }));
}

/**
 * Elements that a plan does not have, of the sets that it makes. Those of dynamic sets are what packets have written.
 * @param isOurs tells by its key whether an element may be taken away
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
    // What packets write comes and goes by itself.
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
