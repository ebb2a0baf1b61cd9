import { constants, fstatSync, readdirSync, statSync, watch, writeSync } from 'node:fs';
import { type FileHandle, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { chownToOwnerOf, makeFolder } from './folder.js';

export interface JournalOptions {
  /** Size at which a new file is begun, in bytes. Default 1 MiB. */
  segmentBytes?: number;
  /** Number of files that are kept. Default 8. */
  segments?: number;
}

/** An entry with the position after it. */
export interface JournalRecord<Entry> {
  position: Position;
  entry: Entry;
}

/** A file that is open for appending. Synchronous calls on it read from the kernel's memory. */
interface Segment {
  number: number;
  handle: FileHandle;
  /** Offset at which a line is known to end. It is the end of the file unless other processes have written since. */
  whole: number;
}

/** A position in the journal: file number and byte offset. */
export interface Position {
  segment: number;
  offset: number;
}

const FILE = /^(\d{8})\.jsonl$/;
const NEWLINE = 0x0a;
/** Polling interval in milliseconds, where inotify is not available (the kernel limits the number of instances). */
const POLL_MS = 500;
const CHUNK = 64 * 1024;

/**
 * A log of entries, one line of JSON each, in numbered files. The oldest files are deleted. Any number of processes
 * append and read at the same time. An appended entry survives the process; it is not flushed to disk.
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

  /**
   * Appends an entry. Resolves when other processes can read it. Entries that are appended at the same time share a
   * write.
   */
  async append(entry: Entry): Promise<void> {
    this.#queue.push(`${JSON.stringify(entry)}\n`);
    this.#writing ??= this.#write();
    await this.#writing;
  }

  /** Position after the last entry. */
  end(): Position {
    const segment = newest(names(() => readdirSync(this.#folder)));
    if (segment === undefined) return { segment: 1, offset: 0 };
    return { segment, offset: statSync(this.#path(segment), { throwIfNoEntry: false })?.size ?? 0 };
  }

  /**
   * Reads entries from a position on, or from the oldest file.
   * @param options.follow wait for further entries until aborted or closed
   */
  async *read(options: {
    from?: Position | undefined;
    follow?: boolean;
    signal?: AbortSignal | undefined;
  }): AsyncGenerator<JournalRecord<Entry>, undefined, undefined> {
    const { follow = false, signal } = options;
    const signals = AbortSignal.any([this.#end.signal, ...(signal === undefined ? [] : [signal])]);
    const change = follow ? new FolderWatch(this.#folder, signals) : undefined;
    try {
      let position = options.from ?? { segment: 0, offset: 0 };
      while (!signals.aborted) {
        const seen = change?.count ?? 0;
        for await (const noted of this.#presentEntries(position, signals)) {
          position = noted.position;
          if (noted.entry !== undefined) yield noted as JournalRecord<Entry>;
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
    await this.#closeFile();
  }

  async #write(): Promise<void> {
    try {
      // Entries that are appended in the same turn of the event loop share the write.
      await Promise.resolve();
      while (this.#queue.length > 0) {
        const batch = this.#queue.join('');
        this.#queue = [];
        await this.#put(batch);
      }
    } finally {
      this.#writing = undefined;
      // An entry of background work may come after `close`.
      if (this.#end.signal.aborted) await this.#closeFile();
    }
  }

  async #closeFile(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.handle.close();
  }

  async #put(batch: string): Promise<void> {
    for (;;) {
      const { file, isWhole } = await this.#writableSegment();
      // Synchronous: it writes to the page cache, as the store does. The thread pool takes ten times as long.
      file.whole += append(file.handle.fd, isWhole ? batch : `\n${batch}`);
      // If another process has deleted the file meanwhile, the batch is written to a newer file.
      if (fstatSync(file.handle.fd).nlink > 0) return;
    }
  }

  /** Returns the file to append to. `isWhole` is false if a process died before it completed the last line. */
  async #writableSegment(): Promise<{ file: Segment; isWhole: boolean }> {
    for (;;) {
      const file = this.#file ?? (await this.#open(newest(await this.#names()) ?? 1));
      const { size, nlink } = fstatSync(file.handle.fd);
      if (nlink > 0 && size < this.#segmentBytes) return { file, isWhole: await endsWithLine(file, size) };
      await file.handle.close();
      this.#file = undefined;
      if (nlink > 0) {
        await this.#open(file.number + 1);
        await this.#deleteUpTo(file.number + 1 - this.#segments);
      }
    }
  }

  async #open(number: number): Promise<Segment> {
    await makeFolder(this.#folder);
    const { O_APPEND, O_CREAT, O_RDWR, O_NOFOLLOW } = constants;
    const handle = await open(this.#path(number), O_APPEND | O_CREAT | O_RDWR | O_NOFOLLOW, 0o600);
    try {
      await chownToOwnerOf(this.#folder, handle);
    } catch (error) {
      await handle.close();
      throw error;
    }
    this.#file = { number, handle, whole: 0 };
    return this.#file;
  }

  /** Deletes this file and all older ones. */
  async #deleteUpTo(last: number): Promise<void> {
    const old = (await this.#names()).map(numberOf).filter((segment) => segment !== undefined && segment <= last);
    await Promise.all(old.map((segment) => rm(this.#path(segment as number), { force: true })));
  }

  /** Yields the present entries from a position on. The entry is undefined for a line that is not JSON. */
  async *#presentEntries(
    from: Position,
    signal: AbortSignal,
  ): AsyncGenerator<{ position: Position; entry: Entry | undefined }> {
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

/** Appends a text. @returns its length in bytes */
function append(fd: number, text: string): number {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
  return bytes.length;
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

/**
 * Yields the complete lines of a file from a byte offset on, with the offset after each. Yields nothing if the file
 * does not exist.
 */
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

/** Watches a folder for changes of its files. */
class FolderWatch {
  /** Number of changes that were noticed. */
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
      // The folder does not exist yet, or no inotify instance is left. `after` polls then.
    }
  }

  /** Resolves when there has been a change since `count` was read, or may have been one. */
  async after(count: number): Promise<void> {
    if (this.count !== count || this.#signal.aborted) return;
    const noticed = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    if (this.#watcher !== undefined) return noticed;
    await Promise.race([noticed, sleep(POLL_MS, undefined, { signal: this.#signal }).catch(() => undefined)]);
  }

  close(): void {
    this.#signal.removeEventListener('abort', this.#notice);
    this.#watcher?.close();
  }
}
