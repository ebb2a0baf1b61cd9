import { defined } from '../../util/defined.js';
import { itemsWith } from '../../util/index-list.js';
import type { NamespaceRef } from '../namespace.js';
import type { NftCommand, NftFamily, SetElement } from '../nftables/index.js';
import type { Operation } from '../operation.js';
import type { NftObject } from '../query.js';
import type { Actual } from './actual.js';
import { isStructure, sameObject, sameStructure } from './same-ruleset.js';

/** True for an object that belongs to others: it is not compared, and stays. */
export type IsForeign = (object: NftObject) => boolean;

/**
 * Computes the missing parts of a plan's rulesets. Missing elements are added. If anything else in a table differs, the
 * table is deleted and created again with all its elements in one atomic batch, so that no packet sees an incomplete
 * table. In a table with objects of others, only the objects of the plan are deleted and created again.
 */
export function missingRuleset(
  plan: readonly Operation[],
  actual: Actual,
  isForeign: IsForeign = () => false,
): Operation[] {
  const byNamespace = new Map<NamespaceRef | undefined, NftCommand[]>();
  for (const operation of plan) {
    if (operation.op !== 'nftables.batch') continue;
    const commands = byNamespace.get(operation.netns);
    if (commands === undefined) byNamespace.set(operation.netns, [...operation.commands]);
    else commands.push(...operation.commands);
  }
  return [...byNamespace].flatMap(([netns, wanted]): Operation[] => {
    const commands = missingCommands(wanted, actual.get(netns)?.nft ?? [], isForeign);
    return commands.length === 0 ? [] : [{ op: 'nftables.batch', netns, commands }];
  });
}

/** Computes the missing commands for each table. */
function missingCommands(
  wanted: readonly NftCommand[],
  there: readonly NftObject[],
  isForeign: IsForeign,
): NftCommand[] {
  const byTable = new Map<string, NftCommand[]>();
  for (const command of wanted) {
    const key = tableOf(command);
    const commands = byTable.get(key);
    if (commands === undefined) byTable.set(key, [command]);
    else commands.push(command);
  }
  return [...byTable].flatMap(([key, commands]) => missingInTable(commands, itemsWith(there, tableOf, key), isForeign));
}

function tableOf(one: NftCommand | NftObject): string {
  const { family, table, name } = one as Record<string, unknown>;
  return `${family} ${table ?? name}`;
}

function missingInTable(
  wanted: readonly NftCommand[],
  there: readonly NftObject[],
  isForeign: IsForeign,
): NftCommand[] {
  const elements = itemsWith(there, isElement, true);
  const others = itemsWith(there, isElement, false);
  const table = wanted.find((command) => command.command === 'table.add');
  if (table === undefined) {
    // The plan does not describe the complete table: missing objects are only added.
    const isThere = (command: NftCommand) => others.some((object) => sameObject(command, object));
    return missingElements(wanted, elements, (command) => isStructure(command) && !isThere(command));
  }
  const objects = others.filter((object) => !isForeign(object));
  if (sameStructure(wanted.filter(isStructure), objects)) return missingElements(wanted, elements, () => false);
  if (there.some(isForeign)) return replaceOwn(table, wanted, objects, elements);
  const deletion: NftCommand = { command: 'table.delete', family: table.family, name: table.name };
  return [table, deletion, ...wanted, ...otherElements(elements, wanted)];
}

const isElement = ({ object }: NftObject): boolean => object === 'element';

/** Returns the missing elements, and the other commands that are missing. */
function missingElements(
  wanted: readonly NftCommand[],
  there: readonly NftObject[],
  isMissing: (command: NftCommand) => boolean,
): NftCommand[] {
  return wanted.flatMap((command): NftCommand[] => {
    if (command.command !== 'element.add') return isMissing(command) ? [command] : [];
    const absent = command.elements.filter(
      (element) => itemsWith(there, elementKey, elementKey({ ...command, ...element })).length === 0,
    );
    return absent.length === 0 ? [] : [{ ...command, elements: absent }];
  });
}

/**
 * Replaces the rules, and the chains and sets that differ, and leaves the other objects of the table alone. Chains and
 * sets that are as planned are kept, because foreign rules may refer to them.
 */
function replaceOwn(
  { family, name: table }: { family: NftFamily; name: string },
  wanted: readonly NftCommand[],
  objects: readonly NftObject[],
  elements: readonly NftObject[],
): NftCommand[] {
  const isKept = (object: NftObject) => wanted.some((command) => sameObject(command, object));
  const namesOf = (kind: NftObject['object'], kept: boolean) =>
    objects.filter((object) => object.object === kind && isKept(object) === kept).map(({ name }) => String(name));
  const differingChains = namesOf('chain', false);
  const differingSets = new Set(namesOf('set', false));
  const kept = elements.filter(({ set }) => !differingSets.has(String(set)));
  const replaced = elements.filter(({ set }) => differingSets.has(String(set)));
  return [
    // Before the deletions: rules refer to chains and sets.
    ...[...namesOf('chain', true), ...differingChains].map(
      (chain): NftCommand => ({ command: 'chain.flush', family, table, name: chain }),
    ),
    ...differingChains.map((chain): NftCommand => ({ command: 'chain.delete', family, table, name: chain })),
    ...[...differingSets].map((set): NftCommand => ({ command: 'set.delete', family, table, name: set })),
    ...missingElements(wanted, kept, () => true),
    ...otherElements(replaced, wanted),
  ];
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
