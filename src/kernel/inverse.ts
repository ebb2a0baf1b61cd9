import type { BridgePortOptions, Link, LinkAttributes, LinkChanges } from './link/index.js';
import type { NamespaceRef } from './namespace.js';
import type { NftCommand } from './nftables/index.js';
import type { Operation } from './operation.js';
import type { NftObject } from './query.js';
import type { Filter } from './traffic.js';

function inverseCommand(command: NftCommand, madeRules: NftObject[]): NftCommand | undefined {
  if (command.command === 'rule.add' || command.command === 'rule.insert') {
    const handle = madeRules.shift()?.handle;
    const { family, table, chain } = command;
    return handle === undefined
      ? undefined
      : { command: 'rule.delete', family, table, chain, handle: handle as number };
  }
  // Only what must have been new is ours to take away.
  if (!('exclusive' in command) || command.exclusive !== true) {
    return undefined;
  }
  switch (command.command) {
    case 'table.add':
      return { command: 'table.delete', family: command.family, name: command.name };
    case 'chain.add':
      return { command: 'chain.delete', family: command.family, table: command.table, name: command.name };
    case 'counter.add':
      return { command: 'counter.delete', family: command.family, table: command.table, name: command.name };
    case 'set.add':
      return { command: 'set.delete', family: command.family, table: command.table, name: command.name };
    case 'element.add':
      return {
        command: 'element.delete',
        family: command.family,
        table: command.table,
        set: command.set,
        keyType: command.keyType,
        ...(command.dataType === undefined ? {} : { dataType: command.dataType }),
        ...(command.interval === undefined ? {} : { interval: command.interval }),
        elements: command.elements,
      };
    default:
      return undefined;
  }
}

function withoutData<Spec extends object>(spec: Spec): Spec {
  return { ...spec, data: undefined };
}

/** What a link has that was never given it. */
const UNSET = { master: 0, group: 0, alias: '' } as const;

/** What the link was before, of what was changed. */
function former(link: Link, changes: LinkAttributes): LinkAttributes {
  const were = Object.entries(changes).map(([key, change]) => {
    const was = (link as Record<string, unknown>)[key] ?? (UNSET as Record<string, unknown>)[key];
    if (typeof change !== 'object' || change === null) return [key, was];
    return [key, was === undefined ? undefined : former(was as Link, change as LinkAttributes)];
  });
  return Object.fromEntries(were.filter(([, was]) => was !== undefined));
}

function inverseOfSet(operation: Extract<Operation, { op: 'link.set' }>, link: Link | undefined): Operation[] {
  const { netns: _, ...changes } = operation.changes;
  if (operation.changes.netns !== undefined) return link === undefined ? [] : moveBack(operation, changes, link);
  if (operation.undo !== undefined) return [{ ...operation, changes: operation.undo }];
  if (link === undefined) return [];
  return [{ op: 'link.set', netns: operation.netns, link: { index: link.index }, changes: former(link, changes) }];
}

/**
 * Moves a link back into its namespace, and gives it what it lost on the way: its place in a bridge, its settings, and that
 * it was up. In the other namespace it is known by its name alone, because its index may have been taken there.
 */
function moveBack(
  { netns, changes, undo }: Extract<Operation, { op: 'link.set' }>,
  others: LinkChanges,
  link: Link,
): Operation[] {
  const { netns: _, index: __, ...undone } = undo ?? former(link, others);
  const back: Operation = {
    op: 'link.set',
    netns: changes.netns,
    link: { name: changes.name ?? link.name },
    changes: { netns: netns ?? OWN, index: link.index },
  };
  const set = (changes: LinkChanges): Operation => ({ op: 'link.set', netns, link: { index: link.index }, changes });
  const { inet, inet6 } = link;
  const settings = {
    ...(link.group === 0 ? {} : { group: link.group }),
    ...(link.master !== undefined && { master: link.master }),
    ...undone,
    ...(inet !== undefined && { inet: { ...inet, ...undone.inet } }),
    ...(inet6 !== undefined && { inet6: { ...inet6, ...undone.inet6 } }),
  };
  const { up = link.up, ...beforeUp } = settings as LinkChanges;
  return [
    back,
    set(beforeUp),
    ...(link.portKind === 'bridge' && link.port !== undefined ? [portBack(netns, link.index, link.port)] : []),
    ...(up ? [set({ up })] : []),
  ];
}

/** The spanning tree's state is the kernel's, which refuses it where the port is not in service. */
function portBack(netns: NamespaceRef | undefined, index: number, port: BridgePortOptions): Operation {
  const { state: _, ...options } = port;
  return { op: 'link.port', netns, index, port: options };
}

/** Names the namespace of this process where a name is needed. */
const OWN = '/proc/self/ns/net';

/**
 * What takes back an operation that succeeded; nothing where nothing was made that was not there before.
 * @param told what the kernel said of it: how a link was before, the filter or the rules that were made
 */
export function inverseOf(operation: Operation, told?: unknown): Operation[] {
  if (operation.op === 'nftables.batch') return inverseOfBatch(operation, told as NftObject[] | undefined);
  if (operation.op === 'link.set') return inverseOfSet(operation, told as Link | undefined);
  const inverse = inverseOfOne(operation, told);
  return inverse === undefined ? [] : [inverse];
}

/** Each command by itself: what somebody else has taken away already must not keep the others from being taken back. */
function inverseOfBatch(
  { commands, ...batch }: Extract<Operation, { op: 'nftables.batch' }>,
  told: readonly NftObject[] = [],
): Operation[] {
  const madeRules = [...told];
  return commands
    .map((command) => inverseCommand(command, madeRules))
    .filter((command) => command !== undefined)
    .flatMap(bySelf)
    .reverse()
    .map((command) => ({ ...batch, commands: [command] }));
}

/** More elements than this go together. */
const FEW = 64;

function bySelf(command: NftCommand): NftCommand[] {
  if (command.command !== 'element.delete' || command.elements.length > FEW) return [command];
  return command.elements.map((element) => ({ ...command, elements: [element] }));
}

function inverseOfOne(operation: Operation, told?: unknown): Operation | undefined {
  const { netns } = operation as { netns?: Operation extends { netns?: infer N } ? N : never };
  const where = netns === undefined ? {} : { netns };
  const created = !('mode' in operation) || operation.mode === undefined || operation.mode === 'create';
  switch (operation.op) {
    case 'link.add':
    case 'tap.add': {
      const made = operation.op === 'tap.add' ? operation.tap : operation.link;
      const link = made.index === undefined ? { name: made.name } : { index: made.index };
      // A link may have been made in another namespace than the one that was asked for it.
      const place = 'netns' in made && made.netns !== undefined ? { netns: made.netns } : where;
      return { op: 'link.delete', ...place, link };
    }
    case 'link.port': {
      const port = (told as Link | undefined)?.port;
      return port === undefined
        ? undefined
        : { ...operation, port: former(port as Link, operation.port as LinkAttributes) as BridgePortOptions };
    }
    case 'link.ipv6':
      return told === undefined ? undefined : { ...operation, disabled: told as boolean };
    case 'sysctl.set':
      return told === undefined ? undefined : { ...operation, value: told as string };
    case 'address.add':
      return created ? { op: 'address.delete', ...where, address: operation.address } : undefined;
    case 'route.add':
      return created ? { op: 'route.delete', ...where, route: operation.route } : undefined;
    case 'rule.add':
      return { op: 'rule.delete', ...where, rule: operation.rule };
    case 'neighbour.add':
      return created || operation.undo === 'delete'
        ? { op: 'neighbour.delete', ...where, neighbour: operation.neighbour }
        : undefined;
    case 'qdisc.add':
      return created ? { op: 'qdisc.delete', ...where, qdisc: withoutData(operation.qdisc) } : undefined;
    case 'filter.add': {
      // Another one of the same priority is not ours: without its handle a filter stays.
      const handle = (told as Filter | undefined)?.handle ?? operation.filter.handle;
      if (!created || handle === undefined) return undefined;
      return { op: 'filter.delete', ...where, filter: withoutData({ ...operation.filter, handle }) };
    }
    case 'namespace.add':
      return { op: 'namespace.delete', name: operation.name };
    default:
      return undefined;
  }
}
