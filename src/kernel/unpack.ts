import { yieldIfNeeded } from '../util/yield.js';
import { Tag } from './tag.js';

/*
 * Unpacks plain data that native/value/pack.cc has packed. Reading each property through Node-API would take several
 * times as long. Texts are numbered in the order of their first occurrence, where the number is followed by length and
 * text.
 */

/** Larger values are read in steps that yield to the event loop. */
const SYNCHRONOUS_BYTES = 1 << 15;
/** List entries between two checks of the time slice. */
const STRIDE = 16;
/** Depth of the list of a query's result. */
const STEPWISE_DEPTH = 2;

class Unpacker {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  readonly #texts: string[] = [];
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  read(): unknown {
    const tag = this.#tag();
    if (tag === Tag.list) {
      const list: unknown[] = [];
      for (let left = this.#uint32(); left > 0; left--) list.push(this.read());
      return list;
    }
    if (tag === Tag.map) {
      const map: Record<string, unknown> = {};
      for (let left = this.#uint32(); left > 0; left--) map[this.#text()] = this.read();
      return map;
    }
    return this.#single(tag);
  }

  /** Like `read`, in steps. */
  async readInSteps(depth = 0): Promise<unknown> {
    if (depth > STEPWISE_DEPTH) return this.read();
    const tag = this.#tag();
    if (tag === Tag.list) {
      const list: unknown[] = [];
      for (let left = this.#uint32(); left > 0; left--) {
        list.push(depth < STEPWISE_DEPTH ? await this.readInSteps(depth + 1) : this.read());
        if (left % STRIDE === 0) await yieldIfNeeded();
      }
      return list;
    }
    if (tag === Tag.map) {
      const map: Record<string, unknown> = {};
      for (let left = this.#uint32(); left > 0; left--) map[this.#text()] = await this.readInSteps(depth + 1);
      return map;
    }
    return this.#single(tag);
  }

  #single(tag: Tag): unknown {
    const at = this.#at;
    switch (tag) {
      case Tag.false:
        return false;
      case Tag.true:
        return true;
      case Tag.int32:
        this.#at += 4;
        return this.#view.getInt32(at, true);
      case Tag.double:
        this.#at += 8;
        return this.#view.getFloat64(at, true);
      case Tag.int64:
        this.#at += 8;
        return this.#view.getBigInt64(at, true);
      case Tag.uint64:
        this.#at += 8;
        return this.#view.getBigUint64(at, true);
      case Tag.text:
      case Tag.unsupported:
        return this.#text();
      case Tag.bytes: {
        const length = this.#uint32();
        const start = this.#at;
        this.#at += length;
        return new Uint8Array(this.#bytes.subarray(start, this.#at));
      }
      default:
        return undefined;
    }
  }

  #tag(): Tag {
    return this.#bytes[this.#at++] as Tag;
  }

  #uint32(): number {
    const value = this.#view.getUint32(this.#at, true);
    this.#at += 4;
    return value;
  }

  #text(): string {
    const index = this.#uint32();
    const known = this.#texts[index];
    if (known !== undefined) return known;
    const length = this.#uint32();
    const text = this.#bytes.toString('utf8', this.#at, this.#at + length);
    this.#at += length;
    this.#texts.push(text);
    return text;
  }
}

/** Unpacks a value. */
export const unpacked = (bytes: Buffer): unknown => new Unpacker(bytes).read();

/** Like `unpacked`, but large values do not block the event loop. */
export async function unpackedInSteps(bytes: Buffer): Promise<unknown> {
  return bytes.length <= SYNCHRONOUS_BYTES ? unpacked(bytes) : new Unpacker(bytes).readInSteps();
}
