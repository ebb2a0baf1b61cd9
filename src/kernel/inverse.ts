import type { NftCommand } from './nftables/index.js';
import type { Operation } from './operation.js';

function inverseCommand(command: NftCommand): NftCommand | undefined {
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

/** What takes back an operation that succeeded; undefined where nothing was made that was not there before. */
export function inverseOf(operation: Operation): Operation | undefined {
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
    case 'link.set':
      return operation.undo === undefined ? undefined : { ...operation, changes: operation.undo };
    case 'address.add':
      return created ? { op: 'address.delete', ...where, address: operation.address } : undefined;
    case 'route.add':
      return created ? { op: 'route.delete', ...where, route: operation.route } : undefined;
    case 'rule.add':
      return { op: 'rule.delete', ...where, rule: operation.rule };
    case 'neighbour.add':
      return created ? { op: 'neighbour.delete', ...where, neighbour: operation.neighbour } : undefined;
    case 'qdisc.add':
      return created ? { op: 'qdisc.delete', ...where, qdisc: withoutData(operation.qdisc) } : undefined;
    case 'filter.add':
      return created ? { op: 'filter.delete', ...where, filter: withoutData(operation.filter) } : undefined;
    case 'namespace.add':
      return { op: 'namespace.delete', name: operation.name };
    case 'nftables.batch': {
      const commands = operation.commands.map(inverseCommand).filter((command) => command !== undefined);
      return commands.length === 0 ? undefined : { op: 'nftables.batch', ...where, commands: commands.reverse() };
    }
    default:
      return undefined;
  }
}
