import type { Random } from '../campaign/random.js';

/*
 * Invalid values, and valid arguments that are modified with them. Values are created for each use, because some of them
 * can be used only once.
 */

class Thrown extends Error {}

const fail = (): never => {
  throw new Thrown('thrown by a hostile value');
};

const TRAPS = ['get', 'has', 'ownKeys', 'getPrototypeOf', 'getOwnPropertyDescriptor'] as const;

function revoked(target: object): unknown {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

/** A proxy of an array with an excessive length and a value at each index. */
const endless = (entry: unknown, lengths: number[]) =>
  new Proxy([] as unknown[], {
    get: (list, name) => {
      if (name === 'length') return lengths.length > 1 ? lengths.shift() : lengths[0];
      return typeof name === 'string' && /^\d+$/.test(name) ? entry : Reflect.get(list, name);
    },
    has: () => true,
  });

function cycle(): object {
  const loop: Record<string, unknown> = {};
  loop.loop = [loop];
  return loop;
}

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { value };
  return value;
}

function detached(): Uint8Array {
  const bytes = new Uint8Array(16);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

const withGetter = (name: string) => Object.defineProperty({}, name, { get: fail, enumerable: true });

function fickle(): object {
  let reads = 0;
  return {
    get value(): unknown {
      return reads++ === 0 ? 1 : fail();
    },
  };
}

/** Invalid values by name. Findings contain the name. */
const values: Record<string, () => unknown> = {
  undefined: () => undefined,
  null: () => null,
  true: () => true,
  false: () => false,
  NaN: () => Number.NaN,
  'minus zero': () => -0,
  Infinity: () => Infinity,
  'minus one': () => -1,
  zero: () => 0,
  one: () => 1,
  half: () => 0.5,
  '2^31': () => 2 ** 31,
  '2^32': () => 2 ** 32,
  '2^53': () => 2 ** 53,
  'a small BigInt': () => 10n,
  'a BigInt beyond 64 bits': () => 2n ** 70n,
  'a BigInt of a million bits': () => 1n << 1_000_000n,
  'a symbol': () => Symbol('s'),
  'a long symbol': () => Symbol('s'.repeat(70_000)),
  'a function': () => () => undefined,
  'an empty text': () => '',
  'white space': () => ' \t',
  NUL: () => 'a\0b',
  'half a surrogate pair': () => '\ud800',
  'a line break': () => 'a\nb',
  '64 KiB of text': () => 'x'.repeat(65_536),
  '64 MiB of text': () => 'x'.repeat(2 ** 26),
  'a path upwards': () => '../../../etc/passwd',
  'a name template': () => 'tap%d',
  lo: () => 'lo',
  'a name of ours': () => 'veth-000001-o',
  loopback: () => '127.0.0.1',
  broadcast: () => '255.255.255.255',
  multicast: () => '224.0.0.1',
  'no address': () => '0.0.0.0',
  'an IPv6 address': () => '::1',
  'the MAC of all': () => 'ff:ff:ff:ff:ff:ff',
  'no MAC': () => '00:00:00:00:00:00',
  'the namespace of the process': () => '/proc/self/ns/net',
  'a UUID': () => '00000000-0000-4000-8000-000000000000',
  'an empty object': () => ({}),
  'an object without prototype': () => Object.create(null),
  'an empty array': () => [],
  'an array with a hole': () => Object.assign(new Array(2), { 1: 1 }),
  'an array of holes': () => new Array(2 ** 32 - 1),
  'an array of a million': () => new Array(1_000_000).fill('x'),
  'an array without prototype': () => Object.setPrototypeOf(['a'], null),
  'an object that contains itself': cycle,
  'an object nested deeply': () => nested(5000),
  'a key of 64 KiB': () => ({ ['k'.repeat(65_536)]: 1 }),
  '__proto__ of its own': () => JSON.parse('{"__proto__": {"mtu": 1}}'),
  'a getter that throws': () => withGetter('value'),
  'a length that throws': () => withGetter('length'),
  'a getter that throws the second time': fickle,
  'a toJSON that throws': () => ({ toJSON: fail }),
  'a toString that throws': () => ({ toString: fail, valueOf: fail, [Symbol.toPrimitive]: fail }),
  'a tag that throws': () => withGetter(Symbol.toStringTag as unknown as string),
  'a revoked Proxy': () => revoked({}),
  'a revoked Proxy of an array': () => revoked([]),
  'an array of 2^31 that is a Proxy': () => endless('x', [2 ** 31]),
  'an array that grows': () => endless(1, [1, 1, 2 ** 31]),
  'an array of a negative length': () => endless(1, [-1]),
  ...Object.fromEntries(TRAPS.map((trap) => [`a Proxy whose ${trap} throws`, () => new Proxy({}, { [trap]: fail })])),
  'a Proxy with many keys': () => {
    const keys = Array.from({ length: 100_000 }, (_, index) => `k${index}`);
    const getOwnPropertyDescriptor = () => ({ configurable: true, enumerable: true, value: 1 });
    return new Proxy({}, { ownKeys: () => keys, getOwnPropertyDescriptor });
  },
  'a forged AbortSignal': () => Object.create(AbortSignal.prototype),
  'an heir of an AbortSignal': () => Object.create(new AbortController().signal),
  'a Proxy of an AbortSignal': () => new Proxy(new AbortController().signal, {}),
  'an AbortSignal that throws': () =>
    Object.defineProperty(new AbortController().signal, 'aborted', { get: fail, configurable: true }),
  'an AbortController': () => new AbortController(),
  'an EventTarget': () => new EventTarget(),
  'a date': () => new Date(0),
  'a date that is none': () => new Date(Number.NaN),
  'a map': () => new Map([['a', 1]]),
  'a weak map': () => new WeakMap(),
  'a regular expression': () => /x/,
  'an error': () => new Error('e'),
  'a promise': () => Promise.resolve(1),
  bytes: () => new Uint8Array(16),
  'bytes that are gone': detached,
  'shared bytes': () => new Uint8Array(new SharedArrayBuffer(16)),
  'a view of bytes': () => new DataView(new ArrayBuffer(8)),
  'a text in a box': () => new String('boxed'),
  'a BigInt in a box': () => Object(1n),
  'a URL': () => new URL('file:///'),
  'a URL elsewhere': () => new URL('http://localhost/'),
};

/** An invalid list of arguments. */
export interface Attack {
  /** Description of the modification: value and path. */
  what: string;
  args: unknown[];
}

/** Paths of all values in plain data. */
function places(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return [path];
  const names = Array.isArray(value) ? value.keys() : Object.keys(value);
  return [path, ...[...names].flatMap((name) => places((value as Record<string, unknown>)[name], [...path, name]))];
}

function replaced(value: unknown, [key, ...rest]: (string | number)[], by: (old: unknown) => unknown): unknown {
  if (key === undefined) return by(value);
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string | number, unknown>;
  copy[key] = replaced(copy[key], rest, by);
  return copy;
}

/** Modifications other than the replacement of a value. */
const spoilers: Record<string, (old: unknown, hostile: unknown) => unknown> = {
  'with another property': (old, hostile) => (isObject(old) ? { ...old, surprise: hostile } : hostile),
  'with an empty key': (old, hostile) => (isObject(old) ? { ...old, '': hostile } : hostile),
  'with a key of 64 KiB': (old, hostile) => (isObject(old) ? { ...old, ['k'.repeat(65_536)]: hostile } : hostile),
  'behind a Proxy': (old, hostile) => (isObject(old) ? new Proxy(old, {}) : hostile),
  'as an heir': (old, hostile) => (isObject(old) ? Object.create(old) : hostile),
  'in an array': (old) => [old],
  'as a text': (old) => String(isObject(old) ? 'object' : old),
  'behind a getter': (old, hostile) =>
    isObject(old) ? Object.defineProperty({ ...old }, 'surprise', { get: fail, enumerable: true }) : hostile,
};

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** Modifies valid arguments at one path, sometimes at two. */
export function attack(random: Random, good: readonly unknown[]): Attack {
  let args: unknown[] = [...good];
  const changes: string[] = [];
  // Only valid data is traversed.
  const all = places(good).slice(1);
  const paths = all.length === 0 ? [[0]] : all;
  const chosen = new Set([random.pick(paths), ...(random.chance(0.2) ? [random.pick(paths)] : [])]);
  for (const path of chosen) {
    if (
      path === undefined ||
      (changes.length > 0 && [...chosen].some((other) => other !== path && isWithin(path, other)))
    )
      continue;
    const [name, make] = random.pick(Object.entries(values)) as [string, () => unknown];
    const [how, spoil] = random.pick(Object.entries(spoilers)) as [string, (old: unknown, hostile: unknown) => unknown];
    const isPlain = random.chance(0.75);
    args = replaced(args, path, (old) => (isPlain ? make() : spoil(old, make()))) as unknown[];
    changes.push(`[${path.join('.')}] ${isPlain ? name : `${how} (${name})`}`);
  }
  return { what: changes.join(', '), args };
}

const isWithin = (one: readonly unknown[] | undefined, other: readonly unknown[] | undefined): boolean =>
  (other ?? []).every((key, index) => one?.[index] === key) ||
  (one ?? []).every((key, index) => other?.[index] === key);
