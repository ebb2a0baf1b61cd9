import { types } from 'node:util';
import { ValidationError } from '../errors.js';

/*
 * Reads arguments of callers. Getters and Proxies may throw, return a different value each time, or not end. Each
 * property is therefore read once, into plain data. Every failure is a ValidationError.
 */

/** Most properties of an options object. */
const MOST_OPTIONS = 256;
/** Deepest nesting of plain data. The addon refuses deeper data. */
const DEPTH = 16;
/** Most values of one argument, because reading it blocks the event loop. About 170,000 elements of a map. */
const MOST_VALUES = 1 << 19;

/** Runs a function that reads an argument. @throws ValidationError for anything that it throws */
export function reading<Result>(field: string, value: unknown, read: () => Result): Result {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof ValidationError) throw cause;
    throw new ValidationError(field, value, 'a value that can be read', { cause });
  }
}

/**
 * Reads the options of a call: own enumerable properties, each once. Absent options are an empty object. @throws
 * ValidationError
 */
export function readOptions<Options extends object>(
  options: Options | undefined,
  field = 'options',
  most = MOST_OPTIONS,
): Partial<Options> {
  if (options === undefined) return {};
  requireObject(field, options);
  return reading(field, options, () => {
    const names = Object.keys(options);
    if (names.length > most) throw new ValidationError(field, options, `at most ${most} properties`);
    const copy: Record<string, unknown> = {};
    for (const name of names) {
      const value = reading(fieldName('', [name]), undefined, () => (options as Record<string, unknown>)[name]);
      define(copy, name, value);
    }
    return copy as Partial<Options>;
  });
}

/** Requires an object. @throws ValidationError also for a function and an array */
function requireObject(field: string, value: unknown): void {
  const isList = reading(field, value, () => Array.isArray(value));
  if (typeof value !== 'object' || value === null || isList) throw new ValidationError(field, value, 'an object');
}

/** Reads a list once. @throws ValidationError unless it is an array with at most `most` entries */
export function readList(field: string, value: unknown, most: number, expected: string): unknown[] {
  return reading(field, value, () => {
    if (!Array.isArray(value)) throw new ValidationError(field, value, expected);
    const { length } = value as unknown[];
    if (!(Number.isInteger(length) && length <= most)) {
      throw new ValidationError(field, value, `${expected} with at most ${most} entries`);
    }
    return Array.from({ length }, (_, index) =>
      reading(`${field}[${index}]`, undefined, () => (value as unknown[])[index]),
    );
  });
}

interface DataOptions {
  /** Deeper values are not copied. */
  depth?: number;
  /** Do not copy instances of classes. Default: their own properties are copied. */
  plainOnly?: boolean;
}

/** Copies plain data, each property read once. Other values are not copied. @throws ValidationError */
export function readData<Data>(field: string, data: Data, options: DataOptions = {}): Data {
  return new DataReader(field, options).read(data) as Data;
}

class DataReader {
  readonly #field: string;
  readonly #path: (string | number)[] = [];
  #left = MOST_VALUES;

  readonly #depth: number;
  readonly #plainOnly: boolean;

  constructor(field: string, { depth = DEPTH, plainOnly = false }: DataOptions) {
    this.#field = field;
    this.#depth = depth;
    this.#plainOnly = plainOnly;
  }

  read(data: unknown): unknown {
    try {
      return this.#copy(data);
    } catch (cause) {
      if (cause instanceof ValidationError) throw cause;
      throw new ValidationError(fieldName(this.#field, this.#path), undefined, 'a value that can be read', { cause });
    }
  }

  #copy(value: unknown): unknown {
    if (typeof value !== 'object' || value === null || this.#path.length > this.#depth) return value;
    if (Array.isArray(value)) return this.#list(value);
    if (isOpaque(value) || (this.#plainOnly && !isPlain(value))) return value;
    return this.#map(value as Record<string, unknown>);
  }

  #list(list: readonly unknown[]): unknown[] {
    const { length } = list;
    this.#take(length, list);
    const copy: unknown[] = [];
    for (let index = 0; index < length; index++) copy.push(this.#at(list, index));
    return copy;
  }

  #map(map: Record<string, unknown>): Record<string, unknown> {
    const names = Object.keys(map);
    this.#take(names.length, map);
    const copy: Record<string, unknown> = {};
    for (const name of names) define(copy, name, this.#at(map, name));
    return copy;
  }

  #at(holder: object, name: string | number): unknown {
    this.#path.push(name);
    const copy = this.#copy((holder as Record<string | number, unknown>)[name]);
    // After an error the path is not shortened, so that it shows the failing property.
    this.#path.pop();
    return copy;
  }

  /** Limits the number of values. A Proxy may report any length, and one object may be referenced many times. */
  #take(count: number, from: unknown): void {
    if (!(Number.isInteger(count) && count <= this.#left)) {
      throw new ValidationError(this.#field, from, `at most ${MOST_VALUES} values in one call`);
    }
    this.#left -= count;
  }
}

/** Assigns a property. `__proto__` is treated like any other name. */
function define(object: Record<string, unknown>, name: string, value: unknown): void {
  if (name === '__proto__') {
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
  } else object[name] = value;
}

/** True for objects whose content is not in their properties. */
function isOpaque(value: object): boolean {
  return ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value) || types.isDate(value) || types.isPromise(value);
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

/** Formats a path: `operations[2].link.mtu`. */
export function fieldName(prefix: string, path: readonly PropertyKey[]): string {
  return path.reduce<string>((name, key) => {
    if (typeof key === 'number') return `${name}[${key}]`;
    const text = key === '' ? '""' : String(key);
    return name === '' ? text : `${name}.${text}`;
  }, prefix);
}

const { get: readAborted } = Object.getOwnPropertyDescriptor(AbortSignal.prototype, 'aborted') as {
  get(): boolean;
};
const SIGNAL_PROPERTIES = ['aborted', 'reason', 'throwIfAborted', 'addEventListener', 'removeEventListener'];

/** True for an AbortSignal that the platform has created. False for an imitation. */
export function isAbortSignal(value: unknown): value is AbortSignal {
  if (typeof value !== 'object' || value === null || types.isProxy(value)) return false;
  if (Object.getPrototypeOf(value) !== AbortSignal.prototype) return false;
  if (SIGNAL_PROPERTIES.some((name) => Object.hasOwn(value, name))) return false;
  try {
    readAborted.call(value as AbortSignal);
    return true;
  } catch {
    return false;
  }
}

/** Requires an AbortSignal or undefined. @throws ValidationError */
export function requireAbortSignal(field: string, value: unknown): asserts value is AbortSignal | undefined {
  if (value !== undefined && !isAbortSignal(value)) throw new ValidationError(field, value, 'an AbortSignal');
}

/** Requires a text of 1 to `most` characters without NUL. @throws ValidationError */
export function requireText(field: string, value: unknown, expected: string, most = 4095): asserts value is string {
  const isGood = typeof value === 'string' && value !== '' && value.length <= most && !value.includes('\0');
  if (!isGood) throw new ValidationError(field, value, expected);
}
