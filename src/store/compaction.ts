import { join } from 'node:path';
import { LockTimeoutError } from '../errors.js';
import { withFileLock } from '../util/file-lock.js';
import { ALL_ENTRIES, type LmdbIndex, readHead, writeHead } from './lmdb-index.js';
import { frame, type LogPoint, readFrames } from './log-record.js';
import { snapshot } from './opening.js';
import { createGeneration, type LogHead, removeOldGenerations, WriteAheadLog } from './write-ahead-log.js';
import type { WriteLock } from './write-lock.js';

/** A shorter log is not compacted, whatever its content. In bytes. */
const COMPACT_AT = 8 * 1024 * 1024;
/** A log is compacted when it is so many times as long as its content was. */
const RATIO = 4;
/** Commits of the time of the compaction are copied without the lock until fewer bytes than this are left. */
const REST_BYTES = 64 * 1024;

interface Parts {
  index: LmdbIndex;
  lock: WriteLock;
  compactAt?: number | undefined;
}

/**
 * Replaces a long log by a new generation: a snapshot, and the commits since. Writers continue meanwhile; they wait only for
 * the copy of the last commits. Interrupted at any point, it leaves the old log in use, or the new one.
 */
export class Compaction {
  readonly #folder: string;
  readonly #parts: Parts;
  #running: Promise<void> | undefined;
  #isStopped = false;
  /** Length of the log before which there is no further attempt. */
  #next = 0;

  constructor(folder: string, parts: Parts) {
    this.#folder = folder;
    this.#parts = parts;
  }

  /** Begins a compaction in the background if the log is long. */
  startIfDue(head: LogHead): void {
    const { compactAt = COMPACT_AT } = this.#parts;
    if (this.#running || this.#isStopped) return;
    if (head.tail < Math.max(compactAt, this.#next, RATIO * head.snapshot)) return;
    this.#running = this.#run(head)
      .catch((error: unknown) => {
        // The old log stays in use. The disk may be full, or another process may be at work.
        if (!(error instanceof LockTimeoutError)) this.#next = head.tail + compactAt;
      })
      .finally(() => {
        this.#running = undefined;
      });
  }

  /** Resolves when nothing runs any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  #run({ generation }: LogHead): Promise<void> {
    const work = () => this.#compact(generation);
    return withFileLock(join(this.#folder, 'store.compaction.lock'), work, { timeout: 0 });
  }

  async #compact(generation: number): Promise<void> {
    const { index, lock } = this.#parts;
    const transaction = index.root.useReadTransaction();
    let from: LogHead | undefined;
    let to: LogHead;
    try {
      from = readHead(index, { transaction }) as LogHead;
      if (from.generation !== generation) return;
      const entries = index.entries.getRange({ ...ALL_ENTRIES, versions: true, transaction });
      to = await createGeneration(this.#folder, generation + 1, snapshot(entries, from.revision));
    } finally {
      transaction.done();
    }
    const [source, target] = [
      new WriteAheadLog(this.#folder, generation),
      new WriteAheadLog(this.#folder, to.generation),
    ];
    try {
      const copy = () => {
        index.entries.resetReadTxn();
        const head = readHead(index) as LogHead;
        if (head.isBroken) throw new Error('a flush of the log failed');
        to = {
          ...to,
          ...append(source.read(from as LogHead, head), from as LogHead, target, to),
          revision: head.revision,
        };
        from = head;
      };
      for (let left = Number.POSITIVE_INFINITY; left > REST_BYTES; ) {
        const before: LogPoint = from;
        copy();
        left = from.tail - before.tail;
        await new Promise((resolve) => setImmediate(resolve));
      }
      const release = await lock.acquire();
      try {
        copy();
        // Before others use it: a failure leaves the old log in use.
        await target.flush();
        index.root.transactionSync(() => writeHead(index, to));
      } finally {
        release();
      }
    } finally {
      source.close();
      target.close();
    }
    await removeOldGenerations(this.#folder, to.generation);
  }
}

/** Appends the records of a part of one log to another log. @returns the end of the other log */
function append(bytes: Buffer, from: LogPoint, target: WriteAheadLog, to: LogPoint): LogPoint {
  const records: Buffer[] = [];
  let { tail, chain } = to;
  let read = from.tail;
  for (const { text, end } of readFrames(bytes, from)) {
    read = end.tail;
    const record = frame(text, chain);
    records.push(record.bytes);
    tail += record.bytes.length;
    ({ chain } = record);
  }
  if (read !== from.tail + bytes.length) throw new Error('the log is damaged');
  if (records.length > 0) target.write(Buffer.concat(records), to);
  return { tail, chain };
}
