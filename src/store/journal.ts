import { constants, fstatSync, readdirSync, statSync, watch } from 'node:fs';
import { type FileHandle, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { giveToOwnerOf, makeFolder } from './folder.js';

export interface JournalOptions {
  /** A file that has reached this size is written no more. Default 1 MiB. */
  segmentBytes?: number;
  /** So many files are kept. Default 8. */
  segments?: number;
}

/** An entry, and where the next one begins. */
export interface Noted<Entry> {
  position: Position;
  entry: Entry;
}

/** A file that is written to. What is asked about it synchronously, the kernel has in memory. */
interface Segment {
  number: number;
  handle: FileHandle;
  /** Where a line is known to end; where the file does, unless others have written since. */
  whole: number;
}

/** A place in the journal: the number of a file, and bytes. */
export interface Position {
  segment: number;
  offset: number;
}

const FILE = /^(\d{8})\.jsonl$/;
const NEWLINE = 0x0a;
/** Where the kernel gives no notice of changes (its instances of inotify are few), one looks this often (ms). */
const LOOK = 500;
const CHUNK = 64 * 1024;

/**
 * Entries in the order in which they came, a line of JSON each, in numbered files of which the oldest are deleted. Any
 * number of processes append and read at the same time. What has been appended survives the process; it is not forced
 * to the disk.
 */
export class Journal<Entry extends object> {
  readonly #folder: string;
  readonly #segmentBytes: number;
  readonly #segments: number;
  readonly #end = new AbortController();
  #queue: string[] = [];
  #writing: Promise<void> | undefined;
  #file: Segment | undefined;

  constructor(folder: string, { segmentBytes = 1024 * 1024, segments = 8 }: JournalOptions = {}) {
    this.#folder = folder;
    this.#segmentBytes = segmentBytes;
    this.#segments = segments;
  }

  /** Resolves when other processes see it. What is appended at the same time is written together. */
  async append(entry: Entry): Promise<void> {
    this.#queue.push(`${JSON.stringify(entry)}\n`);
    this.#writing ??= this.#write();
    await this.#writing;
  }

  /** Where the next entry will be. */
  end(): Position {
    const segment = newest(names(() => readdirSync(this.#folder)));
    if (segment === undefined) return { segment: 1, offset: 0 };
    return { segment, offset: statSync(this.#path(segment), { throwIfNoEntry: false })?.size ?? 0 };
  }

  /**
   * Entries from a position on, or from the oldest that is kept.
   * @param options.follow wait for more, until aborted or closed
   */
  async *read(options: {
    from?: Position | undefined;
    follow?: boolean;
    signal?: AbortSignal | undefined;
  }): AsyncGenerator<Noted<Entry>, undefined, undefined> {
    const { follow = false, signal } = options;
    const signals = AbortSignal.any([this.#end.signal, ...(signal === undefined ? [] : [signal])]);
    const change = follow ? new Change(this.#folder, signals) : undefined;
    try {
      let position = options.from ?? { segment: 0, offset: 0 };
      while (!signals.aborted) {
        const seen = change?.count ?? 0;
        for await (const noted of this.#rest(position, signals)) {
          position = noted.position;
          if (noted.entry !== undefined) yield noted as Noted<Entry>;
        }
        if (change === undefined) return;
        await change.after(seen);
      }
      signal?.throwIfAborted();
    } finally {
      change?.close();
    }
  }

  async close(): Promise<void> {
    this.#end.abort();
    await this.#writing?.catch(() => undefined);
    await this.#file?.handle.close();
    this.#file = undefined;
  }

  async #write(): Promise<void> {
    try {
      // What is appended in the same turn goes along.
      await Promise.resolve();
      while (this.#queue.length > 0) {
        const batch = this.#queue.join('');
        this.#queue = [];
        await this.#put(batch);
      }
    } finally {
      this.#writing = undefined;
    }
  }

  async #put(batch: string): Promise<void> {
    for (;;) {
      const { file, isWhole } = await this.#room();
      await file.handle.appendFile(isWhole ? batch : `\n${batch}`);
      file.whole += Buffer.byteLength(batch);
      // Deleted meanwhile, by others who are far ahead: nobody would ever read it.
      if (fstatSync(file.handle.fd).nlink > 0) return;
    }
  }

  /** The file to append to, with room. False if its last line is one that somebody did not live to complete. */
  async #room(): Promise<{ file: Segment; isWhole: boolean }> {
    for (;;) {
      const file = this.#file ?? (await this.#open(newest(await this.#names()) ?? 1));
      const { size, nlink } = fstatSync(file.handle.fd);
      if (nlink > 0 && size < this.#segmentBytes) return { file, isWhole: await endsWithLine(file, size) };
      await file.handle.close();
      this.#file = undefined;
      if (nlink > 0) {
        await this.#open(file.number + 1);
        await this.#forget(file.number + 1 - this.#segments);
      }
    }
  }

  async #open(number: number): Promise<Segment> {
    await makeFolder(this.#folder);
    const { O_APPEND, O_CREAT, O_RDWR, O_NOFOLLOW } = constants;
    const handle = await open(this.#path(number), O_APPEND | O_CREAT | O_RDWR | O_NOFOLLOW, 0o600);
    try {
      await giveToOwnerOf(this.#folder, handle);
    } catch (error) {
      await handle.close();
      throw error;
    }
    this.#file = { number, handle, whole: 0 };
    return this.#file;
  }

  /** Deletes this file and those before it. */
  async #forget(last: number): Promise<void> {
    const old = (await this.#names()).map(numberOf).filter((segment) => segment !== undefined && segment <= last);
    await Promise.all(old.map((segment) => rm(this.#path(segment as number), { force: true })));
  }

  /** What there is now from a position on. An entry is absent where a line can't be read. */
  async *#rest(from: Position, signal: AbortSignal): AsyncGenerator<{ position: Position; entry: Entry | undefined }> {
    const segments = (await this.#names()).map(numberOf).filter((segment) => segment !== undefined);
    for (const segment of segments.sort((left, right) => left - right)) {
      if (segment < from.segment) continue;
      const start = segment === from.segment ? from.offset : 0;
      for await (const { text, end } of lines(this.#path(segment), start)) {
        if (signal.aborted) return;
        yield { position: { segment, offset: end }, entry: parse<Entry>(text) };
      }
    }
  }

  async #names(): Promise<string[]> {
    return readdir(this.#folder).catch(() => []);
  }

  #path(segment: number): string {
    return join(this.#folder, `${String(segment).padStart(8, '0')}.jsonl`);
  }
}

async function endsWithLine(file: Segment, size: number): Promise<boolean> {
  if (file.whole !== size) {
    const last = Buffer.alloc(1);
    await file.handle.read(last, 0, 1, size - 1);
    if (last[0] !== NEWLINE) return false;
    file.whole = size;
  }
  return true;
}

function names(list: () => string[]): string[] {
  try {
    return list();
  } catch {
    return [];
  }
}

const numberOf = (name: string) => {
  const number = FILE.exec(name)?.[1];
  return number === undefined ? undefined : Number(number);
};

function newest(files: readonly string[]): number | undefined {
  const numbers = files.map(numberOf).filter((number) => number !== undefined);
  return numbers.length === 0 ? undefined : Math.max(...numbers);
}

function parse<Entry>(text: string): Entry | undefined {
  try {
    return JSON.parse(text) as Entry;
  } catch {
    return undefined;
  }
}

/** The complete lines of a file from a byte on, with the byte after each. Nothing if there is no such file. */
async function* lines(path: string, start: number): AsyncGenerator<{ text: string; end: number }> {
  const handle = await open(path, 'r').catch(() => undefined);
  if (handle === undefined) return;
  try {
    let rest: Buffer = Buffer.alloc(0);
    let begin = start;
    for (;;) {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(CHUNK), 0, CHUNK, begin + rest.length);
      if (bytesRead === 0) return;
      let text = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
      for (let at = text.indexOf(NEWLINE); at >= 0; at = text.indexOf(NEWLINE)) {
        begin += at + 1;
        yield { text: text.toString('utf8', 0, at), end: begin };
        text = text.subarray(at + 1);
      }
      rest = text;
    }
  } finally {
    await handle.close();
  }
}

/** Notices that files in a folder have changed. */
class Change {
  /** Grows with every change that was noticed. */
  count = 0;
  readonly #signal: AbortSignal;
  readonly #watcher: ReturnType<typeof watch> | undefined;
  #wake: (() => void) | undefined;
  readonly #notice = () => {
    this.count++;
    this.#wake?.();
  };

  constructor(folder: string, signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', this.#notice, { once: true });
    try {
      this.#watcher = watch(folder, this.#notice);
      this.#watcher.on('error', () => undefined);
    } catch {
      // No folder yet, or no instance of inotify is left: one looks from time to time.
    }
  }

  /** Resolves when there was a change after the count was read, or might have been. */
  async after(count: number): Promise<void> {
    if (this.count !== count || this.#signal.aborted) return;
    const noticed = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    if (this.#watcher !== undefined) return noticed;
    await Promise.race([noticed, sleep(LOOK, undefined, { signal: this.#signal }).catch(() => undefined)]);
  }

  close(): void {
    this.#signal.removeEventListener('abort', this.#notice);
    this.#watcher?.close();
  }
}
