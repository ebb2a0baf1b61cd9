import type { Expression, NftCommand } from '../nftables/index.js';
import type { NftObject } from '../query.js';

/*
 * Whether a table holds what is planned. Every rule of every network is compared at each look, so no rule is copied or put
 * into words.
 */

type Fields = Readonly<Record<string, unknown>>;
type OfKinds<Value> = Partial<Record<Expression['expression'], Value>>;
/** Asked for all kinds, also those of which it says nothing. */
type ByKind<Value> = Readonly<Record<string, Value | undefined>>;
type Defaults = (said: Fields) => Fields;

/** As what kind of object a part of a table's structure is listed. Elements come and go. */
const KINDS: Partial<Record<NftCommand['command'], NftObject['object']>> = {
  'table.add': 'table',
  'chain.add': 'chain',
  'set.add': 'set',
  'counter.add': 'counter',
  'rule.add': 'rule',
  'rule.insert': 'rule',
};

/** Fields by which objects of a kind are told apart, and what else is said of them. */
const FIELDS: Partial<Record<NftObject['object'], readonly string[]>> = {
  chain: ['name', 'hook'],
  set: ['name', 'keyType', 'dataType', 'interval', 'dynamic', 'size', 'timeout', 'expressions'],
  rule: ['chain', 'comment', 'expressions'],
};
const NAME = ['name'];

export const isStructure = ({ command }: NftCommand): boolean => KINDS[command] !== undefined;

/** Whether the tables, chains, sets, counters and rules that are planned are there, and nothing else. */
export function sameStructure(planned: readonly NftCommand[], listed: readonly NftObject[]): boolean {
  if (planned.length !== listed.length) return false;
  const byPlace = new Map<string, NftObject[]>();
  for (const object of listed) {
    const place = placeOf(object.object, object);
    const beside = byPlace.get(place);
    if (beside === undefined) byPlace.set(place, [object]);
    else beside.push(object);
  }
  return planned.every((command) => {
    const object = byPlace.get(placeOf(KINDS[command.command], command as unknown as Fields))?.shift();
    return object !== undefined && sameObject(command, object);
  });
}

/** Rules are in order within their chain; of anything else there is one of a name. */
const placeOf = (kind: string | undefined, { chain, name }: Fields) => `${kind} ${kind === 'rule' ? chain : name}`;

/** What is listed has the fields of the command that made it. */
export function sameObject(command: NftCommand, object: NftObject): boolean {
  if (KINDS[command.command] !== object.object) return false;
  const planned = command as unknown as Fields;
  return (FIELDS[object.object] ?? NAME).every((field) => sameValue(planned[field], object[field]));
}

/** What the kernel reports where nothing was said. */
const DEFAULTS: ByKind<Defaults> = {
  limit: ({ type = 'packets' }) => ({ type, burst: type === 'packets' ? 5 : 0 }),
  log: ({ group }) => (group === undefined ? { level: 4 } : {}),
} satisfies OfKinds<Defaults>;
/** Of the hook of a chain. */
const HOOK_DEFAULTS: Fields = { policy: 'accept' };

/** What packets have done to an expression. */
const COUNTS: ByKind<readonly string[]> = {
  counter: ['packets', 'bytes'],
  quota: ['consumed'],
} satisfies OfKinds<readonly string[]>;

/** Whatever the order of their fields; what was counted does not matter, nor what was said of what is so anyway. */
function sameFields(planned: Fields, listed: Fields): boolean {
  const kind = planned.expression as string | undefined;
  if (kind !== listed.expression) return false;
  const counts = COUNTS[kind ?? ''];
  const [unsaid, unlisted] = [defaultsOf(kind, planned), defaultsOf(kind, listed)];
  const isSame = (field: string) =>
    counts?.includes(field) || sameValue(planned[field] ?? unsaid?.[field], listed[field] ?? unlisted?.[field]);
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
  if (isUnsaid(planned) || isUnsaid(listed)) return isUnsaid(planned) && isUnsaid(listed);
  if (Array.isArray(planned)) return Array.isArray(listed) && sameList(planned, listed);
  if (planned instanceof Uint8Array) return listed instanceof Uint8Array && Buffer.compare(planned, listed) === 0;
  if (typeof planned === 'object') return typeof listed === 'object' && sameFields(planned as Fields, listed as Fields);
  return isNumber(planned) && isNumber(listed) && BigInt(planned) === BigInt(listed);
}

/** Large ones are listed as BigInt, whatever their size. */
const isNumber = (value: unknown): value is number | bigint => typeof value === 'bigint' || Number.isInteger(value);

/** What is not so is not said. */
const isUnsaid = (value: unknown) => (value ?? false) === false;

/** Of words the order does not matter; none is listed twice. */
function sameList(planned: readonly unknown[], listed: readonly unknown[]): boolean {
  if (planned.length !== listed.length) return false;
  return listed.every((value, index) =>
    typeof value === 'string' ? planned.includes(value) : sameValue(planned[index], value),
  );
}
