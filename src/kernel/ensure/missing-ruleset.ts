import type { NamespaceRef } from '../namespace.js';
import type { NftCommand, SetElement } from '../nftables/index.js';
import type { Operation } from '../operation.js';
import type { NftObject } from '../query.js';
import type { Actual } from './actual.js';
import { isStructure, sameObject, sameStructure } from './same-ruleset.js';

/**
 * Computes the missing parts of a plan's rulesets. Missing elements are added. If anything else in a table differs, the
 * table is deleted and created again with all its elements in one atomic batch, so that no packet sees an incomplete
 * table.
 */
export function missingRuleset(plan: readonly Operation[], actual: Actual): Operation[] {
  const byNamespace = new Map<NamespaceRef | undefined, NftCommand[]>();
  for (const operation of plan) {
    if (operation.op !== 'nftables.batch') continue;
    byNamespace.set(operation.netns, [...(byNamespace.get(operation.netns) ?? []), ...operation.commands]);
  }
  return [...byNamespace].flatMap(([netns, wanted]): Operation[] => {
    const commands = missingCommands(wanted, actual.get(netns)?.nft ?? []);
    return commands.length === 0 ? [] : [{ op: 'nftables.batch', netns, commands }];
  });
}

/** Computes the missing commands for each table. */
function missingCommands(wanted: readonly NftCommand[], there: readonly NftObject[]): NftCommand[] {
  const byTable = new Map<string, NftCommand[]>();
  for (const command of wanted) {
    const key = tableOf(command);
    byTable.set(key, [...(byTable.get(key) ?? []), command]);
  }
  return [...byTable].flatMap(([key, commands]) =>
    missingInTable(
      commands,
      there.filter((object) => tableOf(object) === key),
    ),
  );
}

function tableOf(one: NftCommand | NftObject): string {
  const { family, table, name } = one as Record<string, unknown>;
  return `${family} ${table ?? name}`;
}

function missingInTable(wanted: readonly NftCommand[], there: readonly NftObject[]): NftCommand[] {
  const elements = there.filter(({ object }) => object === 'element');
  const objects = there.filter(({ object }) => object !== 'element');
  // A plan without `table.add` does not describe the complete table: missing objects are only added.
  const table = wanted.find((command) => command.command === 'table.add');
  if (table !== undefined && !sameStructure(wanted.filter(isStructure), objects)) {
    const deletion: NftCommand = { command: 'table.delete', family: table.family, name: table.name };
    return [table, deletion, ...wanted, ...otherElements(elements, wanted)];
  }
  const present = new Set(elements.map(elementKey));
  return wanted.flatMap((command): NftCommand[] => {
    if (command.command !== 'element.add') {
      const isThere = table !== undefined || objects.some((object) => sameObject(command, object));
      return isThere || !isStructure(command) ? [] : [command];
    }
    const absent = command.elements.filter((element) => !present.has(elementKey({ ...command, ...element })));
    return absent.length === 0 ? [] : [{ ...command, elements: absent }];
  });
}

/**
 * Returns elements that other plans have added to the sets of this plan, so that a recreated table keeps them. Elements
 * of dynamic sets are omitted, because packets add them again.
 */
function otherElements(there: readonly NftObject[], wanted: readonly NftCommand[]): NftCommand[] {
  const planned = new Set(
    wanted.flatMap((command) =>
      command.command === 'element.add'
        ? command.elements.map((element) => elementKey({ ...command, ...element }))
        : [],
    ),
  );
  return wanted.flatMap((command): NftCommand[] => {
    if (command.command !== 'set.add' || command.dynamic) return [];
    const { family, table, name: set, keyType, dataType, interval } = command;
    const kept = there.filter((element) => element.set === set && !planned.has(elementKey(element)));
    if (kept.length === 0) return [];
    const elements = kept.map(
      ({ key, keyEnd, data, verdict }) => defined({ key, keyEnd, data, verdict }) as SetElement,
    );
    const types = defined({ dataType, interval });
    return [{ command: 'element.add', family, table, set, keyType, ...types, elements }];
  });
}

function elementKey(element: Record<string, unknown>): string {
  const { set, key, keyEnd = key, data = '', verdict = '' } = element;
  return `${set} ${key} ${keyEnd} ${data} ${JSON.stringify(verdict)}`;
}

function defined<Values extends object>(values: Values): { [Key in keyof Values]?: NonNullable<Values[Key]> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}
