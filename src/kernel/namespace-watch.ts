import { on } from 'node:events';
import { mkdirSync, watch } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { onAbort } from '../util/abort.js';
import { PIN_FOLDER } from './namespace.js';
import type { NamespaceInfo, Reader } from './query.js';

/** A pinned namespace came or went; one that was replaced goes and comes. */
export interface NamespaceEvent {
  event: 'namespace.added' | 'namespace.deleted';
  namespace: NamespaceInfo & { name: string };
}

export interface NamespaceWatchOptions {
  /** Ends the watch: what waits for an event is rejected with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Begin with those that there are, as `namespace.added`. Default false. */
  snapshot?: boolean;
}

/** Milliseconds that a name is waited for which names no namespace yet, and the pause between two looks at it. */
const PATIENCE = 5000;
const PAUSE = 20;

type Pinned = Map<string, NamespaceInfo & { name: string }>;

/** The folder's notifications only say when to look, so none of them can be missed. */
export async function* watchNamespaces(
  kernel: Reader,
  options: NamespaceWatchOptions,
): AsyncGenerator<NamespaceEvent, undefined> {
  const { signal, snapshot = false } = options;
  signal?.throwIfAborted();
  mkdirSync(PIN_FOLDER, { recursive: true });
  const watcher = watch(PIN_FOLDER);
  const changes = on(watcher, 'change');
  // Not `throw`, which takes no other reasons than errors.
  const stop = () => void changes.return?.();
  const stay = onAbort(signal, stop);
  const unfinished = new Unfinished();
  try {
    let known: Pinned = new Map();
    const look = async () => {
      const now = await pinned(kernel);
      const events = difference(known, now);
      known = now;
      return events;
    };
    const there = await look();
    if (snapshot) yield* there;
    for (;;) {
      do yield* await look();
      while ((await unfinished.any(known)) && (await sleep(PAUSE, true)) && signal?.aborted !== true);
      await changes.next();
      signal?.throwIfAborted();
    }
  } finally {
    stay();
    watcher.close();
  }
}

async function pinned(kernel: Reader): Promise<Pinned> {
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

/** Names without a namespace, which is mounted on them without a notification; what a crash left is not waited for long. */
class Unfinished {
  readonly #since = new Map<string, number>();

  async any(known: Pinned): Promise<boolean> {
    const names = (await readdir(PIN_FOLDER)).filter((name) => !known.has(name));
    for (const name of this.#since.keys()) if (!names.includes(name)) this.#since.delete(name);
    for (const name of names) if (!this.#since.has(name)) this.#since.set(name, Date.now());
    return names.some((name) => Date.now() - (this.#since.get(name) ?? 0) < PATIENCE);
  }
}
