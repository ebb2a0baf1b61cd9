import { z } from 'zod';
import { ValidationError } from '../errors.js';
import { parseAddress } from '../ipam/address.js';
import { parseInstanceMac } from '../ipam/mac.js';
import { parseNetblock, parseUnicast } from '../ipam/netblock.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import { isReservedName } from '../plan/names.js';
import type { Json } from '../store/store.js';
import { deepFreeze } from './deep-freeze.js';
import { fieldName, isAbortSignal, readData, reading, readList, readOptions } from './input.js';
import { shownValue } from './secret.js';

/**
 * Checks a value from outside against a schema. Objects refuse unknown keys if the schema is a `z.strictObject`.
 *
 * The schema's own `error` texts are noun phrases that say what is expected ("a TCP port"); where it has none, one is
 * made from the rule that failed.
 * @param prefix path of the value, put before the path of the field: `parse(schema, options, 'options')`
 * @throws ValidationError for the first thing that is wrong, without what a schema marks as `secret`
 */
export function parse<Schema extends z.ZodType>(schema: Schema, value: unknown, prefix = ''): z.output<Schema> {
  const result = reading(prefix || 'value', value, () =>
    schema.safeParse(value, { reportInput: true, error: describeExpectation }),
  );
  if (result.success) return result.data;
  const issue = mostSpecific(result.error.issues[0] as z.core.$ZodIssue);
  const unknownKey = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  const path = unknownKey === undefined ? issue.path : [...issue.path, unknownKey];
  const shown = shownValue(schema, issue.path, issue.input);
  throw new ValidationError(fieldName(prefix, path) || 'value', unknownKey ?? shown, issue.message);
}

/**
 * Parses the options of a call. They are read once, before the schema sees them.
 * @throws ValidationError
 */
export function parseOptions<Schema extends z.ZodType>(schema: Schema, options: unknown): z.output<Schema> {
  if (options === undefined) return parse(schema, {});
  return parse(schema, readOptions(options as object));
}

/**
 * As `parse`, for options of which most are absent: only the schemas of the present ones run. `parse` costs a tenth of a
 * millisecond in code that the processor has not in its cache.
 * @param given options that were read once
 */
export function parseFields<Shape extends Fields>(
  schema: z.ZodObject<Shape, z.core.$strict>,
  given: Readonly<Record<string, unknown>>,
): z.output<z.ZodObject<Shape, z.core.$strict>> {
  const parsed: Record<string, unknown> = { ...absent(schema) };
  for (const [name, value] of Object.entries(given)) {
    const field = Object.hasOwn(schema.shape, name) ? schema.shape[name] : undefined;
    const result = reading(name, value, () => field?.safeParse(value));
    // The error of the whole names the field.
    if (!result?.success) return parse(schema, given);
    parsed[name] = result.data;
  }
  return parsed as z.output<typeof schema>;
}

type Fields = Readonly<Record<string, z.ZodType>>;

const defaults = new WeakMap<z.ZodObject, object>();

/** Returns what a schema makes of no options, frozen. All of its fields are optional. */
function absent(schema: z.ZodObject): object {
  const known = defaults.get(schema) ?? deepFreeze(parse(schema, {}) as object);
  defaults.set(schema, known);
  return known;
}

/** A list of at most `most` entries. */
export function list<Entry extends z.ZodType>(entry: Entry, most: number, expected: string) {
  return parsedBy((field, value) => readList(field, value, most, expected)).pipe(z.array(entry));
}

/** An object within options. It is read once. */
export function part<Schema extends z.ZodType>(schema: Schema) {
  return parsedBy((field, value) => {
    if (value === undefined) throw new ValidationError(field, value, 'an object');
    return readData(field, readOptions(value as object, field));
  }).pipe(schema as z.ZodType<z.output<Schema>, object>);
}

/** A schema from a parser of the form `(field, text) => value`, so that each rule exists once. */
export function parsedBy<Value>(parser: (field: string, text: unknown) => Value) {
  return z.unknown().transform((text, context): Value => {
    try {
      return parser('', text);
    } catch (error) {
      if (!(error instanceof ValidationError)) throw error;
      context.addIssue({ code: 'custom', message: error.expected, input: text });
      return z.NEVER;
    }
  });
}

/** Longest text, in characters (PATH_MAX). */
const LONGEST_TEXT = 4095;

/** A string that passes a test. */
function text(expected: string, test: (text: string) => boolean) {
  return z.string({ error: expected }).refine((value) => value.length <= LONGEST_TEXT && test(value), {
    error: expected,
  });
}

/** Path of a file or folder. */
export const path = (expected: string) => text(expected, (value) => value !== '' && !value.includes('\0'));

/** An integer from `minimum` to `maximum`, both included. */
export function integer(minimum: number, maximum: number, what = 'an integer') {
  const error = `${what} from ${minimum} to ${maximum}`;
  return z.int({ error }).min(minimum, { error }).max(maximum, { error });
}

/** Name of a link, checked byte by byte as the kernel does (dev_valid_name, sysctl_dev_name_is_allowed). */
export const interfaceName = text('a link name of 1 to 15 bytes without "/", ":", "%" or white space', (name) => {
  if (name.length > 15 || name === 'all' || name === 'default') return false;
  const bytes = Buffer.from(name);
  // The kernel treats 0xa0 as white space, and "%" begins a name template.
  const refused = bytes.some(
    (byte) => byte <= 0x20 || byte === 0x7f || byte === 0xa0 || '/:%'.includes(String.fromCharCode(byte)),
  );
  return bytes.length >= 1 && bytes.length <= 15 && !refused && name !== '.' && name !== '..';
});

/** An IPv4 network, /8 to /29, without host bits. */
export const cidr = parsedBy((field, value) => parseNetblock(field, value).cidr);

/** Name of a link that is created for an instance: neither `lo` nor a name with a prefix of vethwork. */
export const newLinkName = interfaceName.refine((name) => name !== 'lo' && !isReservedName(name), {
  error:
    'a link name other than lo, without the prefixes that networks use: vxlan-, br-vxlan-, veth-, egr-, flt-, vnet-, vslot-',
});

/** Name of a link in a container. */
export const containerLinkName = interfaceName.refine((name) => name !== 'lo', { error: 'a link name other than lo' });

/** A canonical IPv4 address. */
export const ipv4 = parsedBy(parseAddress);

/** A unicast IPv4 address. */
export const unicast = parsedBy(parseUnicast);

/** MAC address of an instance, converted to lower case. */
export const mac = parsedBy(parseInstanceMac);

export const isUuid = (value: string) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value);

/** A UUID, converted to lower case. */
export const uuid = text('a UUID', isUuid).transform((value) => value.toLowerCase());

const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** A label of a host name (RFC 1123), converted to lower case. */
export const hostname = text('a host name of 1 to 63 letters, digits and inner hyphens', (name) =>
  label.test(name.toLowerCase()),
).transform((name) => name.toLowerCase());

/** Host name of an instance. `localhost` is the loopback address of who asks (RFC 6761, section 6.3). */
export const instanceHostname = hostname.refine((name) => name !== 'localhost', {
  error: 'a host name other than localhost, which is that of every machine itself',
});

/** A DNS domain, converted to lower case. */
export const domain = text(
  'a DNS domain such as example.internal',
  (name) =>
    name.length <= 253 &&
    name
      .toLowerCase()
      .split('.')
      .every((part) => label.test(part)),
).transform((name) => name.toLowerCase());

/** A text on one line for display: the name of a network, instance or tenant. */
export const displayName = text(
  'a text of 1 to 255 bytes on one line',
  (name) =>
    name.length <= 255 &&
    name.trim() === name &&
    Buffer.byteLength(name) >= 1 &&
    Buffer.byteLength(name) <= 255 &&
    // Control characters and lone surrogates, which stores do not preserve.
    !/[\p{Cc}\p{Cs}]/u.test(name),
);

const NAMESPACE_EXPECTED = 'a namespace name, an absolute path or a process id';

/** A network namespace (`NamespaceRef`). */
export const namespaceRef: z.ZodType<NamespaceRef> = z
  .union([z.string(), z.number()], { error: NAMESPACE_EXPECTED })
  .refine(isNamespaceRef, { error: NAMESPACE_EXPECTED });

function isNamespaceRef(value: string | number): boolean {
  if (typeof value === 'number') return Number.isInteger(value) && value > 0 && value < 2 ** 31;
  if (value.length > LONGEST_TEXT || value.includes('\0')) return false;
  const length = Buffer.byteLength(value);
  if (value.startsWith('/')) return length > 1 && length < 4096;
  return length >= 1 && length <= 255 && !value.includes('/') && value !== '.' && value !== '..';
}

/** MTU in bytes. */
export const mtu = integer(576, 65535, 'an MTU');

/** A UDP or TCP port. */
export const port = integer(1, 65535, 'a port');

/** A VXLAN network identifier. */
export const vni = integer(1, 2 ** 24 - 1, 'a VNI');

export const abortSignal = z.custom<AbortSignal>(isAbortSignal, { error: 'an AbortSignal' });

const METADATA_BYTES = 65536;
const METADATA_DEPTH = 32;

/** A JSON object of at most 64 KiB. Returns a copy. */
export const metadata = parsedBy((field, value): Record<string, Json> => {
  const copy = readData(field, value, { depth: METADATA_DEPTH + 1, plainOnly: true });
  if (typeof copy !== 'object' || copy === null || Array.isArray(copy) || !isJson(copy, METADATA_DEPTH)) {
    throw new ValidationError(field, value, `a JSON object, nested at most ${METADATA_DEPTH} deep`);
  }
  const encoded = JSON.stringify(copy);
  if (Buffer.byteLength(encoded) > METADATA_BYTES) {
    throw new ValidationError(field, value, `a JSON object of at most ${METADATA_BYTES} bytes`);
  }
  return JSON.parse(encoded) as Record<string, Json>;
});

/** True for JSON that nests at most `depth` levels. Values that `readData` did not copy are refused. */
function isJson(value: unknown, depth: number): value is Json {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true;
  if (typeof value === 'number') return Number.isFinite(value);
  if (depth === 0) return false;
  if (Array.isArray(value)) return value.every((item) => isJson(item, depth - 1));
  if (typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype) return false;
  return Object.values(value).every((item) => item === undefined || isJson(item, depth - 1));
}

/** Marks a union without a text of its own. The closest alternative is reported instead. */
const NO_ALTERNATIVE = 'one of the alternatives';

function mostSpecific(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union' || issue.message !== NO_ALTERNATIVE) return issue;
  const least = Math.min(...issue.errors.map(mismatches));
  const closest = issue.errors.filter((issues) => mismatches(issues) === least);
  const [first, ...others] = closest.flatMap((issues) => issues.slice(0, 1)).map(mostSpecific);
  if (first === undefined) return issue;
  const same = others.filter((other) => other.path.join() === first.path.join());
  const message = [...new Set([first, ...same].map((each) => each.message))].join(' or ');
  return { ...first, path: [...issue.path, ...first.path], message };
}

/** Number of fields by which an object differs from an alternative: missing and unknown fields. */
function mismatches(issues: readonly z.core.$ZodIssue[]): number {
  return issues.filter((issue) => issue.code === 'unrecognized_keys' || issue.input === undefined).length;
}

const KINDS: Record<string, string> = {
  string: 'a string',
  number: 'a number',
  int: 'an integer',
  boolean: 'true or false',
  array: 'an array',
  object: 'an object',
  record: 'an object',
  undefined: 'nothing',
  null: 'null',
  never: 'nothing',
};

/** The expectation, for schemas without a text of their own. */
function describeExpectation(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return KINDS[issue.expected] ?? `a ${issue.expected}`;
    case 'unrecognized_keys':
      return knownKeys(issue.inst);
    case 'invalid_value':
      return issue.values.length === 1
        ? JSON.stringify(issue.values[0])
        : `one of ${issue.values.map((value) => JSON.stringify(value)).join(', ')}`;
    case 'too_small':
      return `${quantity(issue.origin)} of at least ${issue.minimum}`;
    case 'too_big':
      return `${quantity(issue.origin)} of at most ${issue.maximum}`;
    case 'invalid_union':
      return NO_ALTERNATIVE;
    default:
      return 'a value of the correct format';
  }
}

function knownKeys(schema: unknown): string {
  const keys = schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
  return keys.length === 0 ? 'a known field' : `one of the fields ${keys.join(', ')}`;
}

function quantity(origin: string): string {
  if (origin === 'string') return 'a length';
  return origin === 'array' || origin === 'set' ? 'a number of entries' : 'a number';
}
