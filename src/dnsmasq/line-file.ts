import { closeSync, constants, fstatSync, openSync, readFileSync, readSync, statSync, writeSync } from 'node:fs';
import { asFileError, isMissing, readIfThere, replaceFile, SHARED } from './files.js';
import { share } from './share.js';
import type { Reader } from './user.js';

const { O_RDONLY, O_RDWR, O_APPEND } = constants;

/** First byte of a line that does not count. dnsmasq ignores comments. */
const COMMENT = '#';
/** Size from which a file is written anew if most of it is comments, in bytes. */
const WORTH_COMPACTING = 16 * 1024;

/** Adds a line, or removes the lines that begin with a text. */
export type LineChange = { add: string; remove?: undefined } | { remove: string; add?: undefined };

/**
 * A file of lines that dnsmasq reads: of reservations, or of names. One line is added by appending it, and removed by
 * changing its first byte to `#`, whatever the number of lines. Any number of processes may do so. A file is replaced by
 * renaming: whoever writes a line checks afterwards that the file has not been replaced, and whoever replaces it carries
 * over the lines that were written meanwhile.
 *
 * All calls are synchronous, so no other work of this process comes between.
 */
export class LineFile {
  constructor(private readonly path: string) {}

  /** Adds lines. @returns false if there is no file */
  add(...lines: readonly string[]): boolean {
    return this.#edit(O_RDWR | O_APPEND, (file) => {
      const text = lines.map((line) => `${line}\n`).join('');
      // A writer may have died, or the disk may have been full, in the middle of a line.
      write(file, endsLine(file) ? text : `\n${text}`);
    });
  }

  /** Removes the lines that begin with one of the texts. @returns false if there is no file */
  remove(...starts: readonly string[]): boolean {
    return this.#edit(O_RDWR, (file) => {
      const text = `\n${readFileSync(file, 'latin1')}\n`;
      for (const start of starts) {
        const wanted = `\n${start}`;
        for (let at = text.indexOf(wanted); at !== -1; at = text.indexOf(wanted, at + 1)) writeSync(file, COMMENT, at);
      }
    });
  }

  /** Makes changes in their order, consecutive ones of one kind together. @returns false if there is no file */
  change(changes: readonly LineChange[]): boolean {
    for (let at = 0; at < changes.length; ) {
      const kind = Object.keys(changes[at] as LineChange)[0] as 'add' | 'remove';
      const texts: string[] = [];
      for (let text = changes[at]?.[kind]; text !== undefined; text = changes[++at]?.[kind]) texts.push(text);
      if (!this[kind](...texts)) return false;
    }
    return true;
  }

  /** The lines, without comments. Undefined if there is no file. */
  lines(): ReadonlySet<string> | undefined {
    const text = readIfThere(this.path);
    return text === undefined ? undefined : linesOf(text);
  }

  /** True if these are the lines. */
  has(wanted: readonly string[]): boolean {
    const present = this.lines();
    return present !== undefined && isEqual(present, new Set(wanted));
  }

  /** True if the file is large, and most of it are comments. */
  get isWorthCompacting(): boolean {
    const { size } = statSync(this.path, { throwIfNoEntry: false }) ?? { size: 0 };
    return size >= WORTH_COMPACTING && isMostlyComments(readIfThere(this.path) ?? '');
  }

  /**
   * Makes these the lines of the file. Does not write if they are already.
   * @param options.isStale whether to remove a line of the file that is not among them. A line with the same first word
   *   as one of them is removed in any case
   * @returns whether the lines have changed
   */
  replace(
    wanted: readonly string[],
    { reader, isStale }: { reader: Reader | undefined; isStale: (line: string) => boolean },
  ): boolean {
    const before = readIfThere(this.path);
    const present = linesOf(before ?? '');
    const keys = new Set(wanted.map(keyOf));
    const lines = new Set([...wanted, ...[...present].filter((line) => !isStale(line) && !keys.has(keyOf(line)))]);
    const isSame = before !== undefined && isEqual(present, lines);
    if (isSame && !isMostlyComments(before)) {
      // The file may have been written for another reader.
      if (reader !== undefined) share(this.path, reader, SHARED);
      return false;
    }
    this.#rename([...lines].map((line) => `${line}\n`).join(''), before ?? '', reader);
    return !isSame;
  }

  #rename(text: string, before: string, reader: Reader | undefined): void {
    const old = this.#open(O_RDONLY);
    try {
      replaceFile(this.path, text, reader);
      if (old === undefined) return;
      const [known, now] = [linesOf(before), linesOf(readFileSync(old, 'utf8'))];
      for (const line of known) if (!now.has(line)) this.remove(`${line}\n`);
      for (const line of now) if (!known.has(line)) this.add(line);
    } finally {
      if (old !== undefined) closeSync(old);
    }
  }

  /** Changes the file, and again if it was replaced meanwhile. @returns false if there is no file */
  #edit(flags: number, change: (file: number) => void): boolean {
    for (;;) {
      const file = this.#open(flags);
      if (file === undefined) return false;
      try {
        change(file);
        const { ino } = fstatSync(file);
        if (statSync(this.path, { throwIfNoEntry: false })?.ino === ino) return true;
      } catch (error) {
        throw asFileError(error, this.path);
      } finally {
        closeSync(file);
      }
    }
  }

  #open(flags: number): number | undefined {
    try {
      return openSync(this.path, flags);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw asFileError(error, this.path);
    }
  }
}

function write(file: number, text: string): void {
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}

function endsLine(file: number): boolean {
  const { size } = fstatSync(file);
  if (size === 0) return true;
  const last = Buffer.alloc(1);
  readSync(file, last, 0, 1, size - 1);
  return last.toString('latin1') === '\n';
}

/** The MAC or the address that a line is about. */
const keyOf = (line: string) => /^[^ ,]*/.exec(line)?.[0] ?? '';

const linesOf = (text: string): ReadonlySet<string> =>
  new Set(text.split('\n').filter((line) => line !== '' && !line.startsWith(COMMENT)));

function isMostlyComments(text: string): boolean {
  if (text.length < WORTH_COMPACTING) return false;
  let comments = 0;
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\n', at);
    const next = end === -1 ? text.length : end + 1;
    if (text.startsWith(COMMENT, at)) comments += next - at;
    at = next;
  }
  return comments > text.length / 2;
}

const isEqual = (a: ReadonlySet<string>, b: ReadonlySet<string>) =>
  a.size === b.size && [...a].every((line) => b.has(line));
