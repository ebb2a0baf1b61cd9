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
  // Only exclusively created objects are known to belong to this transaction.
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

/** Values of attributes that were never set. */
const UNSET = { master: 0, group: 0, alias: '' } as const;

/** Previous values of the changed attributes. */
function previousValues(link: Link, changes: LinkAttributes): LinkAttributes {
  const were = Object.entries(changes).map(([key, change]) => {
    const was = (link as Record<string, unknown>)[key] ?? (UNSET as Record<string, unknown>)[key];
    if (typeof change !== 'object' || change === null) return [key, was];
    return [key, was === undefined ? undefined : previousValues(was as Link, change as LinkAttributes)];
  });
  return Object.fromEntries(were.filter(([, was]) => was !== undefined));
}

function inverseOfSet(operation: Extract<Operation, { op: 'link.set' }>, link: Link | undefined): Operation[] {
  const { netns: _, ...changes } = operation.changes;
  if (operation.changes.netns !== undefined) return link === undefined ? [] : inverseOfMove(operation, changes, link);
  if (operation.undo !== undefined) return [{ ...operation, changes: operation.undo }];
  if (link === undefined) return [];
  return [
    { op: 'link.set', netns: operation.netns, link: { index: link.index }, changes: previousValues(link, changes) },
  ];
}

/**
 * Moves a link back into its namespace and restores what the move removed: master, settings and the up state. In the
 * other namespace the link is identified by its name only, because its index may have been changed there.
 */
function inverseOfMove(
  { netns, changes, undo }: Extract<Operation, { op: 'link.set' }>,
  others: LinkChanges,
  link: Link,
): Operation[] {
  const { netns: _, index: __, ...undone } = undo ?? previousValues(link, others);
  const back: Operation = {
    op: 'link.set',
    netns: changes.netns,
    link: { name: changes.name ?? link.name },
    changes: { netns: netns ?? CURRENT_NAMESPACE, index: link.index },
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
    ...(link.portKind === 'bridge' && link.port !== undefined ? [restorePort(netns, link.index, link.port)] : []),
    ...(up ? [set({ up })] : []),
  ];
}

/** Restores port options. The spanning tree state is excluded: the kernel rejects it while the port is down. */
function restorePort(netns: NamespaceRef | undefined, index: number, port: BridgePortOptions): Operation {
  const { state: _, ...options } = port;
  return { op: 'link.port', netns, index, port: options };
}

/** Refers to the namespace of this process where a reference is required. */
const CURRENT_NAMESPACE = '/proc/self/ns/net';

/**
 * Returns the operations that undo a successful operation; none if it created nothing new.
 * @param captured state that the kernel reported with the operation: the previous state of a link, or the created
 * filter or rules
 */
export function inverseOf(operation: Operation, captured?: unknown): Operation[] {
  if (operation.op === 'nftables.batch') return inverseOfBatch(operation, captured as NftObject[] | undefined);
  if (operation.op === 'conntrack.add') return operation.mode === 'replace' ? [] : inverseOfConnections(operation);
  if (operation.op === 'link.set') return inverseOfSet(operation, captured as Link | undefined);
  const inverse = inverseOfOne(operation, captured);
  return inverse === undefined ? [] : [inverse];
}

function inverseOfConnections({ netns, connections }: Extract<Operation, { op: 'conntrack.add' }>): Operation[] {
  return connections.map(({ original, zone }): Operation => {
    const { source, destination, protocol, sourcePort, destinationPort } = original;
    const ports = {
      ...(sourcePort !== undefined && { sourcePort }),
      ...(destinationPort !== undefined && { destinationPort }),
    };
    const filter = { source, destination, protocol, ...ports, direction: 'original' as const };
    return { op: 'conntrack.delete', netns, filter: zone === undefined ? filter : { ...filter, zone } };
  });
}

/** Each command gets a batch of its own: objects that others have deleted must not prevent the undoing of the rest. */
function inverseOfBatch(
  { commands, ...batch }: Extract<Operation, { op: 'nftables.batch' }>,
  captured: readonly NftObject[] = [],
): Operation[] {
  const madeRules = [...captured];
  return commands
    .map((command) => inverseCommand(command, madeRules))
    .filter((command) => command !== undefined)
    .flatMap(splitElements)
    .reverse()
    .map((command) => ({ ...batch, commands: [command] }));
}

/** Maximum of elements that are deleted one by one. */
const MAXIMUM_SINGLE_DELETIONS = 64;

function splitElements(command: NftCommand): NftCommand[] {
  if (command.command !== 'element.delete' || command.elements.length > MAXIMUM_SINGLE_DELETIONS) return [command];
  return command.elements.map((element) => ({ ...command, elements: [element] }));
}

function inverseOfOne(operation: Operation, captured?: unknown): Operation | undefined {
  const { netns } = operation as { netns?: Operation extends { netns?: infer N } ? N : never };
  const where = netns === undefined ? {} : { netns };
  const created = !('mode' in operation) || operation.mode === undefined || operation.mode === 'create';
  switch (operation.op) {
    case 'link.add':
    case 'tap.add': {
      const made = operation.op === 'tap.add' ? operation.tap : operation.link;
      const link = made.index === undefined ? { name: made.name } : { index: made.index };
      // A link may be created in another namespace than the one of the request.
      const place = 'netns' in made && made.netns !== undefined ? { netns: made.netns } : where;
      return { op: 'link.delete', ...place, link };
    }
    case 'link.port': {
      const port = (captured as Link | undefined)?.port;
      return port === undefined
        ? undefined
        : { ...operation, port: previousValues(port as Link, operation.port as LinkAttributes) as BridgePortOptions };
    }
    case 'link.ipv6':
      return captured === undefined ? undefined : { ...operation, disabled: captured as boolean };
    case 'sysctl.set':
      return captured === undefined ? undefined : { ...operation, value: captured as string };
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
      // Without a handle, a filter of another origin with the same priority could be deleted.
      const handle = (captured as Filter | undefined)?.handle ?? operation.filter.handle;
      if (!created || handle === undefined) return undefined;
      return { op: 'filter.delete', ...where, filter: withoutData({ ...operation.filter, handle }) };
    }
    case 'namespace.add':
      return { op: 'namespace.delete', name: operation.name };
    default:
      return undefined;
  }
}
