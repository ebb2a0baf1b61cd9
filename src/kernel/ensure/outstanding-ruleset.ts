import type { NamespaceRef } from '../namespace.js';
import type { ChainHook, Expression, NftCommand, SetElement, SetTypes } from '../nftables/index.js';
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

interface Named {
  name: string;
}

/** Table by table. */
function missing(wanted: readonly NftCommand[], there: readonly NftObject[]): NftCommand[] {
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
  // Without its table a plan says nothing of what else the table holds, and adds what lacks.
  const table = wanted.find((command) => command.command === 'table.add');
  const elements = there.filter(({ object }) => object === 'element');
  const planned = wanted.map(describeCommand);
  const found = there.flatMap((object) => (object.object === 'element' ? [] : [describeObject(object)]));
  if (table !== undefined && !sameStructure(planned, found)) {
    const anew: NftCommand = { command: 'table.delete', family: table.family, name: table.name };
    return [table, anew, ...wanted, ...others(elements, wanted)];
  }
  const present = new Set(elements.map(elementKey));
  const described = new Set(found);
  return wanted.flatMap((command, position): NftCommand[] => {
    if (command.command !== 'element.add') {
      const text = planned[position];
      return text === undefined || described.has(text) ? [] : [command];
    }
    const lacking = command.elements.filter((element) => !present.has(elementKey({ ...command, ...element })));
    return lacking.length === 0 ? [] : [{ ...command, elements: lacking }];
  });
}

/** Elements of the plan's sets that other plans have put there: a table that is made anew keeps them. */
function others(there: readonly NftObject[], wanted: readonly NftCommand[]): NftCommand[] {
  const planned = new Set(
    wanted.flatMap((command) =>
      command.command === 'element.add'
        ? command.elements.map((element) => elementKey({ ...command, ...element }))
        : [],
    ),
  );
  return wanted.flatMap((command): NftCommand[] => {
    if (command.command !== 'set.add') return [];
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

/** Tables, chains, sets and rules: those that are planned, and no others; rules in the order of their chain. */
function sameStructure(planned: readonly (string | undefined)[], found: readonly string[]): boolean {
  const wanted = planned.filter((text) => text !== undefined);
  return wanted.length === found.length && inOrder(wanted) === inOrder(found);
}

/** The kernel lists objects by their kind and chain: of these only rules have an order that counts. */
function inOrder(texts: readonly string[]): string {
  return texts
    .map((text) => ({
      text,
      place: text.startsWith('rule ') ? text.slice(0, text.indexOf(' ', 'rule '.length)) : text,
    }))
    .sort((left, right) => compare(left.place, right.place))
    .map(({ text }) => text)
    .join('\n');
}

const compare = (left: string, right: string) => (left < right ? -1 : left > right ? 1 : 0);

function describeCommand(command: NftCommand): string | undefined {
  switch (command.command) {
    case 'table.add':
      return `table ${command.name}`;
    case 'chain.add':
      return describeChain(command);
    case 'set.add':
      return describeSet(command);
    case 'counter.add':
      return `counter ${command.name}`;
    case 'rule.add':
    case 'rule.insert':
      return describeRule(command);
    default:
      return undefined;
  }
}

/** What is listed has the fields of the command that made it. */
function describeObject(object: NftObject): string {
  if (object.object === 'chain') return describeChain(object as unknown as Parameters<typeof describeChain>[0]);
  if (object.object === 'rule') return describeRule(object as unknown as Parameters<typeof describeRule>[0]);
  if (object.object === 'set') return describeSet(object as unknown as Parameters<typeof describeSet>[0]);
  return `${object.object} ${object.name}`;
}

function describeSet({ name, keyType, dataType, interval }: Named & SetTypes): string {
  return `set ${name} ${keyType} ${dataType} ${interval ?? false}`;
}

function describeChain({ name, hook }: Named & { hook?: ChainHook }): string {
  return `chain ${name} ${hook?.type} ${hook?.hook} ${hook?.priority} ${hook?.policy ?? 'accept'}`;
}

function describeRule(rule: { chain: string; comment?: string; expressions?: readonly Expression[] }): string {
  return `rule ${rule.chain} ${rule.comment} ${rule.expressions?.map(describeExpression).join(' ')}`;
}

/** What the kernel reports where nothing was said. */
const DEFAULTS: { [Kind in Expression['expression']]?: (given: Record<string, unknown>) => object } = {
  limit: ({ type = 'packets' }) => ({ type, burst: type === 'packets' ? 5 : 0 }),
  log: ({ group }) => (group === undefined ? { level: 4 } : {}),
};

/** What packets have done to an expression. */
const COUNTS: Partial<Record<Expression['expression'], readonly string[]>> = {
  counter: ['packets', 'bytes'],
  quota: ['consumed'],
};

/** Whatever the order of its fields; what was counted does not matter, nor what was said of what is so anyway. */
function describeExpression(expression: Expression): string {
  const kind = expression.expression;
  const said = expression as unknown as Record<string, unknown>;
  const counts = COUNTS[kind];
  const fields: string[] = [];
  // Of every rule of every network, at each look: hence no objects in between.
  const describe = (of: Record<string, unknown>, key: string) => {
    const value = of[key];
    if (value === undefined || value === false || counts?.includes(key)) return;
    fields.push(`${key}=${describeField(value)}`);
  };
  for (const key of Object.keys(said)) describe(said, key);
  const defaults = DEFAULTS[kind]?.(said);
  for (const key of Object.keys(defaults ?? {})) if (said[key] === undefined) describe(defaults as typeof said, key);
  return fields.sort().join();
}

function describeField(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'bigint') return `${value}`;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (!Array.isArray(value)) return JSON.stringify(value);
  const words = value.every((each) => typeof each === 'string');
  return words ? `[${[...value].sort()}]` : `[${value.map((each) => describeExpression(each as Expression))}]`;
}

function elementKey(element: Record<string, unknown>): string {
  const { set, key, keyEnd = key, data = '', verdict = '' } = element;
  return `${set} ${key} ${keyEnd} ${data} ${JSON.stringify(verdict)}`;
}

function defined<Values extends object>(values: Values): { [Key in keyof Values]?: NonNullable<Values[Key]> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}
