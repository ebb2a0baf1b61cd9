import type { Expression, NftCommand } from '../nftables/index.js';
import type { NftObject } from '../query.js';

/*
 * Comparison of a planned table with the listed objects. Every rule of every network is compared at each resync, so
 * rules are neither copied nor formatted.
 */

type Fields = Readonly<Record<string, unknown>>;
type OfKinds<Value> = Partial<Record<Expression['expression'], Value>>;
/** Indexed by any kind; undefined for most. */
type ByKind<Value> = Readonly<Record<string, Value | undefined>>;
type Defaults = (fields: Fields) => Fields;

/**
 * Type of the listed object for each command that defines the structure of a table. Elements are compared separately.
 */
const KINDS: Partial<Record<NftCommand['command'], NftObject['object']>> = {
  'table.add': 'table',
  'chain.add': 'chain',
  'set.add': 'set',
  'counter.add': 'counter',
  'rule.add': 'rule',
  'rule.insert': 'rule',
};

/** Fields that are compared for each type of object. */
const FIELDS: Partial<Record<NftObject['object'], readonly string[]>> = {
  chain: ['name', 'hook'],
  set: ['name', 'keyType', 'dataType', 'interval', 'dynamic', 'size', 'timeout', 'expressions'],
  rule: ['chain', 'comment', 'expressions'],
};
const NAME = ['name'];

export const isStructure = ({ command }: NftCommand): boolean => KINDS[command] !== undefined;

/** True if exactly the planned tables, chains, sets, counters and rules exist. */
export function sameStructure(planned: readonly NftCommand[], listed: readonly NftObject[]): boolean {
  if (planned.length !== listed.length) return false;
  const byKey = new Map<string, NftObject[]>();
  for (const object of listed) {
    const key = keyOf(object.object, object);
    const objects = byKey.get(key);
    if (objects === undefined) byKey.set(key, [object]);
    else objects.push(object);
  }
  return planned.every((command) => {
    const object = byKey.get(keyOf(KINDS[command.command], command as unknown as Fields))?.shift();
    return object !== undefined && sameObject(command, object);
  });
}

/** Key of an object: rules are ordered within their chain, other objects have unique names. */
const keyOf = (kind: string | undefined, { chain, name }: Fields) => `${kind} ${kind === 'rule' ? chain : name}`;

/** True if the listed object has the fields of the command. */
export function sameObject(command: NftCommand, object: NftObject): boolean {
  if (KINDS[command.command] !== object.object) return false;
  const planned = command as unknown as Fields;
  return (FIELDS[object.object] ?? NAME).every((field) => sameValue(planned[field], object[field]));
}

/** Values that the kernel reports for omitted fields. */
const DEFAULTS: ByKind<Defaults> = {
  limit: ({ type = 'packets' }) => ({ type, burst: type === 'packets' ? 5 : 0 }),
  log: ({ group }) => (group === undefined ? { level: 4 } : {}),
} satisfies OfKinds<Defaults>;
/** Defaults of the hook of a chain. */
const HOOK_DEFAULTS: Fields = { policy: 'accept' };

/** Counters of expressions, which packets change. */
const COUNTS: ByKind<readonly string[]> = {
  counter: ['packets', 'bytes'],
  quota: ['consumed'],
} satisfies OfKinds<readonly string[]>;

/** Compares fields in any order, ignoring counters and explicit defaults. */
function sameFields(planned: Fields, listed: Fields): boolean {
  const kind = planned.expression as string | undefined;
  if (kind !== listed.expression) return false;
  const counts = COUNTS[kind ?? ''];
  const [plannedDefaults, listedDefaults] = [defaultsOf(kind, planned), defaultsOf(kind, listed)];
  const isSame = (field: string) =>
    counts?.includes(field) ||
    sameValue(planned[field] ?? plannedDefaults?.[field], listed[field] ?? listedDefaults?.[field]);
  for (const field in planned) if (!isSame(field)) return false;
  for (const field in listed) if (planned[field] === undefined && !isSame(field)) return false;
  return true;
}

function defaultsOf(kind: string | undefined, fields: Fields): Fields | undefined {
  if (kind !== undefined) return DEFAULTS[kind]?.(fields);
  return fields.hook === undefined ? undefined : HOOK_DEFAULTS;
}

function sameValue(planned: unknown, listed: unknown): boolean {
  if (planned === listed) return true;
  if (isAbsent(planned) || isAbsent(listed)) return isAbsent(planned) && isAbsent(listed);
  if (Array.isArray(planned)) return Array.isArray(listed) && sameList(planned, listed);
  if (planned instanceof Uint8Array) return listed instanceof Uint8Array && Buffer.compare(planned, listed) === 0;
  if (typeof planned === 'object') return typeof listed === 'object' && sameFields(planned as Fields, listed as Fields);
  return isNumber(planned) && isNumber(listed) && BigInt(planned) === BigInt(listed);
}

/** 64-bit numbers are listed as BigInt. */
const isNumber = (value: unknown): value is number | bigint => typeof value === 'bigint' || Number.isInteger(value);

/** False is the same as absent. */
const isAbsent = (value: unknown) => (value ?? false) === false;

/** Compares lists. The order of flag names is irrelevant; none is listed twice. */
function sameList(planned: readonly unknown[], listed: readonly unknown[]): boolean {
  if (planned.length !== listed.length) return false;
  return listed.every((value, index) =>
    typeof value === 'string' ? planned.includes(value) : sameValue(planned[index], value),
  );
}
