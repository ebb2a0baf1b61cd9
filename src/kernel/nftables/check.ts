import ipaddr from 'ipaddr.js';
import { ValidationError } from '../../errors.js';
import { reading } from '../../util/input.js';

/*
 * Argument checks of the builders. The transaction checks everything again; here an error names the argument of the builder.
 */

/** NFT_NAME_MAXLEN, without the terminating NUL. */
const NAME_BYTES = 255;
const NAME = `a name of 1 to ${NAME_BYTES} bytes without NUL`;

/** @throws ValidationError unless the value is an integer within the bounds */
export function checkNumber(field: string, value: unknown, maximum: number, minimum = 0): asserts value is number {
  if (!(Number.isInteger(value) && (value as number) >= minimum && (value as number) <= maximum)) {
    throw new ValidationError(field, value, `an integer from ${minimum} to ${maximum}`);
  }
}

/** @throws ValidationError unless the value is one of the words */
export function checkWord<Word extends string>(
  field: string,
  value: unknown,
  words: readonly Word[],
): asserts value is Word {
  if (!words.some((word) => word === value)) {
    throw new ValidationError(field, value, `one of ${words.map((word) => `'${word}'`).join(', ')}`);
  }
}

/** Checks the name of a table, chain, set or map. @throws ValidationError */
export function checkName(field: string, value: unknown): asserts value is string {
  if (typeof value !== 'string' || value === '' || value.includes('\0') || Buffer.byteLength(value) > NAME_BYTES) {
    throw new ValidationError(field, value, NAME);
  }
}

/** @throws ValidationError unless the value is an object that is not an array */
export function checkObject(field: string, value: unknown): asserts value is object {
  const isList = reading(field, value, () => Array.isArray(value));
  if (typeof value !== 'object' || value === null || isList) throw new ValidationError(field, value, 'an object');
}

/** @throws ValidationError unless the value is an array */
export function checkList(field: string, value: unknown, expected: string): asserts value is unknown[] {
  if (!reading(field, value, () => Array.isArray(value))) throw new ValidationError(field, value, expected);
}

/** Returns the four bytes of an IPv4 address. @throws ValidationError unless it is one, in dotted decimal */
export function checkAddress(field: string, value: unknown): Uint8Array {
  if (typeof value !== 'string' || !ipaddr.IPv4.isValidFourPartDecimal(value)) {
    throw new ValidationError(field, value, 'an IPv4 address such as 172.16.0.9');
  }
  return Uint8Array.from(ipaddr.IPv4.parse(value).octets);
}

/** Returns the bytes. @throws ValidationError unless there are 1 to 16, each 0 to 255 */
export function checkBytes(field: string, values: readonly unknown[]): Uint8Array {
  checkList(field, values, '1 to 16 bytes');
  if (values.length === 0 || values.length > 16) throw new ValidationError(field, values, '1 to 16 bytes');
  for (const [index, value] of values.entries()) checkNumber(`${field}[${index}]`, value, 0xff);
  return Uint8Array.from(values as number[]);
}
