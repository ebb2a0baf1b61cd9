import type { NamespaceRef } from '../namespace.js';
import type { ChainHook, Expression, NftCommand } from '../nftables/index.js';
import type { Operation } from '../operation.js';
import type { NftObject } from '../query.js';
import type { Actual } from './actual.js';

/**
 * What of a plan's rulesets is missing. Elements are added where they lack; if anything else is not as planned, the
 * table is made anew with all its elements, in one batch, so that no packet ever meets half of it.
 */
export function outstandingRuleset(plan: readonly Operation[], actual: Actual): Operation[] {
  const byNamespace = new Map<NamespaceRef | undefined, NftCommand[]>();
  for (const operation of plan) {
    if (operation.op !== 'nftables.batch') continue;
    byNamespace.set(operation.netns, [...(byNamespace.get(operation.netns) ?? []), ...operation.commands]);
  }
  return [...byNamespace].flatMap(([netns, wanted]): Operation[] => {
    const commands = missing(wanted, actual.get(netns)?.nft ?? []);
    return commands.length === 0 ? [] : [{ op: 'nftables.batch', netns, commands }];
  });
}

function missing(wanted: readonly NftCommand[], there: readonly NftObject[]): NftCommand[] {
  const tables = wanted.filter((command) => command.command === 'table.add');
  const own = there.filter(({ family, table, name, object }) =>
    tables.some((each) => each.family === family && each.name === (object === 'table' ? name : table)),
  );
  if (!sameStructure(wanted, own)) {
    return [...tables, ...tables.map((table): NftCommand => ({ ...table, command: 'table.delete' })), ...wanted];
  }
  const elements = new Set(own.filter(({ object }) => object === 'element').map(elementKey));
  return wanted.filter(
    (command) =>
      command.command === 'element.add' &&
      !command.elements.every((element) => elements.has(elementKey({ ...command, ...element }))),
  );
}

/** Tables, chains, sets and rules: those that are planned, and no others. */
function sameStructure(wanted: readonly NftCommand[], there: readonly NftObject[]): boolean {
  const planned = wanted.map(describeCommand).filter((text) => text !== undefined);
  const found = there.filter(({ object }) => object !== 'element').map(describeObject);
  return planned.length === found.length && sorted(planned) === sorted(found);
}

function describeCommand(command: NftCommand): string | undefined {
  switch (command.command) {
    case 'table.add':
      return `table ${command.name}`;
    case 'chain.add':
      return describeChain(command);
    case 'set.add':
      return `set ${command.name}`;
    case 'counter.add':
      return `counter ${command.name}`;
    case 'rule.add':
      return describeRule(command);
    default:
      return undefined;
  }
}

/** What is listed has the fields of the command that made it. */
function describeObject(object: NftObject): string {
  if (object.object === 'chain') return describeChain(object as unknown as Parameters<typeof describeChain>[0]);
  if (object.object === 'rule') return describeRule(object as unknown as Parameters<typeof describeRule>[0]);
  return `${object.object} ${object.name}`;
}

function describeChain({ name, hook }: { name: string; hook?: ChainHook }): string {
  return `chain ${name} ${hook?.type} ${hook?.hook} ${hook?.priority} ${hook?.policy ?? 'accept'}`;
}

function describeRule(rule: { chain: string; comment?: string; expressions?: readonly Expression[] }): string {
  return `rule ${rule.chain} ${rule.comment} ${rule.expressions?.map(describeExpression).join(' ')}`;
}

/** Whatever the order of its fields; what a counter has counted does not matter. */
function describeExpression(expression: Expression): string {
  const fields = Object.entries(expression).filter(([key]) => key !== 'packets' && key !== 'bytes');
  return fields
    .map(([key, value]) => `${key}=${value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value}`)
    .sort()
    .join();
}

function elementKey(element: Record<string, unknown>): string {
  return `${element.set} ${element.key} ${element.data ?? ''}`;
}

const sorted = (texts: string[]) => texts.sort().join('\n');
