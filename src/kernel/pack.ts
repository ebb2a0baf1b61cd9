import { types } from 'node:util';
import { Tag } from './tag.js';

/*
 * Packs plain data for the addon into one buffer. Reading values one by one through Node-API takes about ten times as
 * long and blocks JavaScript. The reader is native/value/unpack.cc. Numbers are little-endian.
 */

/** Maximum nesting depth. No message is nested as deep; cyclic objects are. */
const MAXIMUM_DEPTH = 16;
/**
 * Maximum of values in one call: about 170,000 elements of a map. Reading and checking an argument blocks the event
 * loop.
 */
const MAXIMUM_VALUES = 1 << 19;
const MAXIMUM_BYTES = 256 * 2 ** 20;
const TOO_LARGE = `more than ${MAXIMUM_VALUES} values or 256 MiB, too much for one call`;

const USUAL_SIZE = 1 << 16;
/** Larger buffers are not kept. */
const KEPT_SIZE = 1 << 20;
/** Short ASCII texts, such as names and addresses, are copied faster in JavaScript than by a native call. */
const SHORT_TEXT = 64;
/** Size of a tag with a length or number. */
const HEAD = 9;

class TooLargeError extends Error {}

class Packer {
  #bytes = Buffer.allocUnsafeSlow(USUAL_SIZE);
  #view = viewOf(this.#bytes);
  #at = 0;
  #values = 0;
  #volume = 0;

  /** Shared objects are written at each occurrence, so the total size is limited. */
  pack(value: unknown): Uint8Array {
    this.#begin();
    try {
      this.#write(value, 0);
    } catch (error) {
      if (!(error instanceof TooLargeError)) throw error;
      this.#begin();
      this.#unsupported(TOO_LARGE);
    }
    const packed = this.#bytes.subarray(0, this.#at);
    if (this.#bytes.length > KEPT_SIZE) this.#renew(USUAL_SIZE);
    return packed;
  }

  #begin(): void {
    this.#at = 0;
    this.#values = MAXIMUM_VALUES;
    this.#volume = MAXIMUM_BYTES;
  }

  #write(value: unknown, depth: number): void {
    if (--this.#values < 0) throw new TooLargeError();
    this.#room(HEAD);
    switch (typeof value) {
      case 'undefined':
        this.#tag(Tag.null);
        break;
      case 'boolean':
        this.#tag(value ? Tag.true : Tag.false);
        break;
      case 'number':
        this.#number(value);
        break;
      case 'string':
        this.#tag(Tag.text);
        this.#text(value);
        break;
      case 'bigint':
        this.#bigint(value);
        break;
      case 'object':
        if (value === null) this.#tag(Tag.null);
        else this.#object(value, depth);
        break;
      default:
        this.#unsupported(`a ${typeof value}`);
    }
  }

  #object(value: object, depth: number): void {
    if (depth > MAXIMUM_DEPTH) this.#unsupported('an object nested too deeply');
    else if (Array.isArray(value)) this.#list(value, depth);
    else if (isPlain(value)) this.#map(value, depth);
    else if (types.isUint8Array(value)) this.#blob(value);
    else if (types.isTypedArray(value)) this.#unsupported('a typed array other than Uint8Array');
    else if (isExotic(value)) this.#unsupported('an object that is not plain data');
    else this.#map(value, depth);
  }

  #list(values: readonly unknown[], depth: number): void {
    // A proxy may return any length.
    const length = values.length >>> 0;
    // A sparse array would otherwise be iterated completely.
    if (length > this.#values) throw new TooLargeError();
    this.#count(Tag.list, length);
    for (let index = 0; index < length; index++) this.#write(values[index], depth + 1);
  }

  #map(value: object, depth: number): void {
    const names = Object.keys(value);
    if (names.length > this.#values) throw new TooLargeError();
    this.#count(Tag.map, names.length);
    for (const name of names) {
      this.#text(name);
      this.#write((value as Record<string, unknown>)[name], depth + 1);
    }
  }

  #blob(bytes: Uint8Array): void {
    const length = lengthOf(bytes);
    this.#take(length);
    this.#count(Tag.bytes, length);
    this.#room(length);
    // Detached arrays have length 0 and cannot be read.
    if (length > 0) this.#bytes.set(bytes, this.#at);
    this.#at += length;
  }

  #unsupported(description: string): void {
    this.#tag(Tag.unsupported);
    this.#text(description);
  }

  #number(value: number): void {
    if ((value | 0) === value) {
      this.#tag(Tag.int32);
      this.#view.setInt32(this.#at, value, true);
      this.#at += 4;
    } else {
      this.#tag(Tag.double);
      this.#view.setFloat64(this.#at, value, true);
      this.#at += 8;
    }
  }

  #bigint(value: bigint): void {
    if (BigInt.asIntN(64, value) === value) {
      this.#tag(Tag.int64);
      this.#view.setBigInt64(this.#at, value, true);
      this.#at += 8;
    } else if (BigInt.asUintN(64, value) === value) {
      this.#tag(Tag.uint64);
      this.#view.setBigUint64(this.#at, value, true);
      this.#at += 8;
    } else {
      this.#unsupported('a BigInt beyond 64 bits');
    }
  }

  #text(text: string): void {
    this.#take(text.length);
    const isWritten = text.length <= SHORT_TEXT && this.#ascii(text);
    if (isWritten) return;
    const length = Buffer.byteLength(text);
    this.#room(4 + length);
    this.#view.setUint32(this.#at, length, true);
    this.#bytes.write(text, this.#at + 4, 'utf8');
    this.#at += 4 + length;
  }

  /** Returns false and writes nothing if the text is not ASCII. */
  #ascii(text: string): boolean {
    const { length } = text;
    this.#room(4 + length);
    const bytes = this.#bytes;
    const start = this.#at + 4;
    for (let index = 0; index < length; index++) {
      const code = text.charCodeAt(index);
      if (code > 0x7f) return false;
      bytes[start + index] = code;
    }
    this.#view.setUint32(this.#at, length, true);
    this.#at = start + length;
    return true;
  }

  #count(tag: Tag, count: number): void {
    this.#tag(tag);
    this.#view.setUint32(this.#at, count, true);
    this.#at += 4;
  }

  #tag(tag: Tag): void {
    this.#bytes[this.#at++] = tag;
  }

  #take(bytes: number): void {
    this.#volume -= bytes;
    if (this.#volume < 0) throw new TooLargeError();
  }

  #room(bytes: number): void {
    // A text or bytes are followed by at most the head of a value.
    const wanted = this.#at + bytes + HEAD;
    if (wanted > this.#bytes.length) this.#renew(Math.max(wanted, 2 * this.#bytes.length));
  }

  #renew(size: number): void {
    const bytes = Buffer.allocUnsafeSlow(size);
    this.#bytes.copy(bytes, 0, 0, Math.min(this.#at, size));
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
  }
}

const { get: byteLength } = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  'byteLength',
) as { get(): number };

/** Bypasses overrides in derived classes. */
const lengthOf = (bytes: Uint8Array): number => byteLength.call(bytes);

const viewOf = ({ buffer, byteOffset, length }: Buffer) => new DataView(buffer, byteOffset, length);

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Objects whose content is not in their properties. */
function isExotic(value: object): boolean {
  return types.isAnyArrayBuffer(value) || types.isDataView(value) || types.isDate(value) || types.isPromise(value);
}

/** One packer suffices, unless a getter packs another value. */
const idle: Packer[] = [];

/**
 * Packs a value and passes the bytes on: own enumerable properties, arrays, bytes. Values that no message can
 * represent, and values that are too large, are marked for the addon to reject. Errors of getters are rethrown.
 * @param use receives bytes that are only valid until it returns
 */
export function packed<Result>(value: unknown, use: (bytes: Uint8Array) => Result): Result {
  const packer = idle.pop() ?? new Packer();
  try {
    return use(packer.pack(value));
  } finally {
    idle.push(packer);
  }
}
