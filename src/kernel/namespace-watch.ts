import { on } from 'node:events';
import { mkdirSync, watch } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { onAbort } from '../util/abort.js';
import { PIN_FOLDER } from './namespace.js';
import type { NamespaceInfo, Reader } from './query.js';

/** A namespace was pinned under /run/netns, or its pin was removed. A replaced one is deleted and added. */
export interface NamespaceEvent {
  event: 'namespace.added' | 'namespace.deleted';
  namespace: NamespaceInfo & { name: string };
}

/** Options of `watchNamespaces`. */
export interface NamespaceWatchOptions {
  /** Ends the watch: a pending `next()` rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Starts with a `namespace.added` for each existing namespace. Default false. */
  snapshot?: boolean;
}

/**
 * Events of the namespaces pinned under /run/netns, in order. It starts with the first `next()`. Close it by leaving the
 * loop, `return()`, the signal, or `await using`.
 */
export interface NamespaceWatch extends AsyncIterableIterator<NamespaceEvent, undefined, undefined>, AsyncDisposable {
  return(): Promise<IteratorResult<NamespaceEvent, undefined>>;
}

/** Milliseconds to wait for a namespace to be mounted on a new file, and the polling interval. */
const MOUNT_TIMEOUT = 5000;
const POLL_INTERVAL = 20;

type Pinned = Map<string, NamespaceInfo & { name: string }>;

/** Watches the folder of pins with inotify. */
export class PinWatch implements NamespaceWatch {
  readonly #closing = new AbortController();
  readonly #events: AsyncGenerator<NamespaceEvent, undefined>;
  readonly #onClose: (watch: PinWatch) => void;

  constructor(kernel: Reader, options: NamespaceWatchOptions, onClose: (watch: PinWatch) => void) {
    this.#onClose = onClose;
    this.#events = generateEvents(kernel, options, this.#closing.signal, () => onClose(this));
  }

  next(): Promise<IteratorResult<NamespaceEvent, undefined>> {
    return this.#events.next();
  }

  /** A pending `next()` resolves as done. */
  async return(): Promise<IteratorResult<NamespaceEvent, undefined>> {
    this.#closing.abort();
    this.#onClose(this);
    return this.#events.return(undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** Every notification causes a complete comparison, so lost or coalesced notifications do no harm. */
async function* generateEvents(
  kernel: Reader,
  options: NamespaceWatchOptions,
  closing: AbortSignal,
  onEnd: () => void,
): AsyncGenerator<NamespaceEvent, undefined> {
  const { signal, snapshot = false } = options;
  signal?.throwIfAborted();
  mkdirSync(PIN_FOLDER, { recursive: true });
  const watcher = watch(PIN_FOLDER);
  const changes = on(watcher, 'change');
  // `throw()` accepts errors only, but the reason of a signal may be any value.
  const stop = () => void changes.return?.();
  const removeCallbacks = [onAbort(signal, stop), onAbort(closing, stop)];
  const isEnding = () => closing.aborted || signal?.aborted === true;
  const unmounted = new UnmountedPins();
  try {
    let known: Pinned = new Map();
    const compare = async () => {
      const now = await listPinned(kernel);
      const events = difference(known, now);
      known = now;
      return events;
    };
    const existing = await compare();
    if (snapshot) yield* existing;
    while (!isEnding()) {
      do yield* await compare();
      while ((await unmounted.any(known)) && (await delay(POLL_INTERVAL, true)) && !isEnding());
      await changes.next();
    }
    if (!closing.aborted) signal?.throwIfAborted();
    return undefined;
  } finally {
    for (const remove of removeCallbacks) remove();
    watcher.close();
    onEnd();
  }
}

async function listPinned(kernel: Reader): Promise<Pinned> {
  const namespaces = await kernel.query('namespace.list');
  return new Map(namespaces.map((namespace) => [namespace.name ?? '', { name: '', ...namespace }]));
}

function difference(before: Pinned, after: Pinned): NamespaceEvent[] {
  const missing = (from: Pinned, other: Pinned, event: NamespaceEvent['event']): NamespaceEvent[] =>
    [...from.values()]
      .filter((namespace) => !isSame(namespace, other.get(namespace.name)))
      .map((namespace) => ({ event, namespace }));
  return [...missing(before, after, 'namespace.deleted'), ...missing(after, before, 'namespace.added')];
}

const isSame = (left: NamespaceInfo, right: NamespaceInfo | undefined) =>
  left.inode === right?.inode && left.identity === right.identity;

/**
 * Files under /run/netns without a namespace. The namespace is mounted after the file is created, and inotify does not
 * report mounts, so these files are polled. A file that a crashed process left is polled for a limited time.
 */
class UnmountedPins {
  /** Monotonic time at which each file was first seen. */
  readonly #since = new Map<string, number>();

  async any(known: Pinned): Promise<boolean> {
    const names = (await readdir(PIN_FOLDER)).filter((name) => !known.has(name));
    for (const name of this.#since.keys()) if (!names.includes(name)) this.#since.delete(name);
    const now = performance.now();
    for (const name of names) if (!this.#since.has(name)) this.#since.set(name, now);
    return names.some((name) => now - (this.#since.get(name) ?? 0) < MOUNT_TIMEOUT);
  }
}
