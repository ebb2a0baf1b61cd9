import { types } from 'node:util';

/** Longest description of a value, in characters. */
const VALUE_LENGTH = 80;
/** Larger BigInts take long to format. */
const LARGE = 2n ** 128n;
const DEPTH = 4;

/** Shortens a text to a number of characters. */
export function shortened(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 3)}...` : text;
}

/**
 * Describes a rejected value on one line of at most 80 characters. Runs no code of the value: getters, `toJSON`,
 * `toString` and the traps of a Proxy may throw, lie, or not end.
 */
export function describeValue(value: unknown): string {
  let text = '';
  const isFull = () => text.length > VALUE_LENGTH;

  function write(part: unknown, depth: number): void {
    if (typeof part !== 'object' || part === null) text += describePrimitive(part);
    else if (types.isProxy(part)) text += 'a Proxy';
    else if (depth > DEPTH) text += '...';
    else if (Array.isArray(part)) writeItems('[', ']', part.length, (index) => writeProperty(part, index, depth));
    else if (ArrayBuffer.isView(part)) text += types.isUint8Array(part) ? 'bytes' : 'binary data';
    else {
      const names = Object.keys(part);
      writeItems('{', '}', names.length, (index) => {
        const name = names[index] as string;
        text += `${quoted(name)}:`;
        writeProperty(part, name, depth);
      });
    }
  }

  function writeProperty(holder: object, name: PropertyKey, depth: number): void {
    const property = Object.getOwnPropertyDescriptor(holder, name);
    if (property !== undefined && !('value' in property)) text += 'a getter';
    else write(property?.value, depth + 1);
  }

  function writeItems(open: string, close: string, count: number, item: (index: number) => void): void {
    text += open;
    for (let index = 0; index < count && !isFull(); index++) {
      if (index > 0) text += ',';
      item(index);
    }
    text += close;
  }

  write(value, 0);
  return shortened(text, VALUE_LENGTH);
}

function describePrimitive(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return quoted(value);
    case 'bigint':
      return -LARGE < value && value < LARGE ? `${value}n` : 'a BigInt of more than 128 bits';
    case 'symbol':
      return `Symbol(${quoted(value.description ?? '')})`;
    case 'function':
      return 'a function';
    default:
      return String(value);
  }
}

const quoted = (text: string) => JSON.stringify(text.slice(0, VALUE_LENGTH + 1));

/** Converts a rejected value to JSON. */
export function valueForJson(value: unknown): unknown {
  if (value === undefined || value === null || typeof value === 'boolean' || typeof value === 'number') return value;
  const text = describeValue(value);
  try {
    return JSON.parse(text);
  } catch {
    // The description was shortened, or is not JSON.
    return text;
  }
}
