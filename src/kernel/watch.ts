import { KernelError } from '../errors.js';
import { onAbort } from '../util/abort.js';
import { errnoName } from './errno.js';
import type { KernelEvent, KernelWatch, WatchOptions, WatchSnapshot, WatchTopic } from './event.js';
import type { Kernel } from './kernel.js';
import type { NamespaceRef } from './namespace.js';
import { type NativeDelivery, NativeWatch } from './native.js';
import { readTraffic } from './snapshot.js';

type Reader = Pick<Kernel, 'query'>;
type Where = { netns?: NamespaceRef };

const readers: { [Topic in WatchTopic]: (kernel: Reader, where: Where) => Promise<WatchSnapshot> } = {
  link: async (kernel, where) => ({ links: await kernel.query('link.list', where) }),
  address: async (kernel, where) => ({ addresses: await kernel.query('address.list', where) }),
  route: async (kernel, where) => ({ routes: await kernel.query('route.list', where) }),
  neighbour: async (kernel, where) => {
    const [learnt, proxied, forwarding] = await Promise.all([
      kernel.query('neighbour.list', where),
      kernel.query('neighbour.list', { ...where, proxy: true }),
      kernel.query('neighbour.list', { ...where, family: 'bridge' }),
    ]);
    return { neighbours: [...learnt, ...proxied], forwarding };
  },
  rule: async (kernel, where) => ({ rules: await kernel.query('rule.list', where) }),
  traffic: (kernel, { netns }) => readTraffic(kernel, netns),
  setting: async () => ({}),
  nftables: async (kernel, where) => ({ nftables: await kernel.query('nftables.list', where) }),
  connection: async (kernel, where) => ({ connections: await kernel.query('conntrack.list', where) }),
};

/** Connections change with every packet. */
const usualTopics = (Object.keys(readers) as WatchTopic[]).filter((topic) => topic !== 'connection');

export class NetlinkWatch implements KernelWatch {
  readonly ready: Promise<void>;
  readonly #kernel: Reader;
  readonly #where: Where;
  readonly #topics: readonly WatchTopic[];
  readonly #onEnd: (watch: NetlinkWatch) => void;
  readonly #native: NativeWatch;
  /** Removes the callback of the signal. */
  readonly #removeAbortCallback: () => void;
  #events: KernelEvent[] = [];
  #position = 0;
  #snapshotDue: boolean;
  /** The namespace was deleted: the watch ends after the pending events. */
  #gone = false;
  #closed = false;
  #failure: { reason: unknown } | undefined;
  /** Settles when the last `next()` has settled, so that each call gets its own event. */
  #turn: Promise<unknown>;

  /** @throws ValidationError */
  constructor(
    kernel: Reader,
    netns: NamespaceRef | undefined,
    options: WatchOptions,
    onEnd: (watch: NetlinkWatch) => void,
  ) {
    const { signal, topics, bufferBytes, snapshot = false } = options;
    signal?.throwIfAborted();
    this.#kernel = kernel;
    this.#where = netns === undefined ? {} : { netns };
    this.#topics = topics ?? usualTopics;
    this.#onEnd = onEnd;
    this.#snapshotDue = snapshot;
    this.#native = new NativeWatch({ netns, topics, bufferBytes });
    this.ready = this.#native.opened.then((delivery) => this.#opened(delivery));
    this.#turn = this.ready.catch(() => undefined);
    this.#removeAbortCallback = onAbort(signal, () => this.#close({ reason: signal?.reason }));
  }

  next(): Promise<IteratorResult<KernelEvent, undefined>> {
    const result = this.#turn.then(() => this.#next());
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async return(): Promise<IteratorResult<KernelEvent, undefined>> {
    this.#close();
    return { done: true, value: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #next(): Promise<IteratorResult<KernelEvent, undefined>> {
    for (;;) {
      const event = this.#events[this.#position];
      if (event !== undefined) {
        this.#position += 1;
        return { done: false, value: event };
      }
      if (this.#gone) {
        this.#close();
      }
      if (this.#closed) {
        const failure = this.#failure;
        this.#failure = undefined;
        if (failure !== undefined) {
          throw failure.reason;
        }
        return { done: true, value: undefined };
      }
      await this.#refill();
    }
  }

  /** On return, events are available or the watch has ended. */
  async #refill(): Promise<void> {
    if (this.#snapshotDue) {
      this.#snapshotDue = false;
      const snapshot = await this.#read();
      this.#take(snapshot === undefined ? [] : [{ event: 'snapshot', snapshot }]);
      return;
    }
    const delivery = await this.#native.next();
    if (delivery === undefined || this.#closed) {
      return;
    }
    this.#take(delivery.events as KernelEvent[]);
    if (delivery.overflow) {
      this.#events.push({ event: 'overflow' });
      this.#snapshotDue = !delivery.ended;
    }
    this.#end(delivery);
  }

  #take(events: KernelEvent[]): void {
    if (!this.#closed) {
      this.#events = events;
      this.#position = 0;
    }
  }

  async #read(): Promise<WatchSnapshot | undefined> {
    try {
      const parts = await Promise.all(this.#topics.map((topic) => readers[topic](this.#kernel, this.#where)));
      return Object.assign({}, ...parts);
    } catch (reason) {
      // Later events would be misleading without the snapshot.
      this.#close({ reason });
      return undefined;
    }
  }

  #opened(delivery: NativeDelivery | undefined): void {
    if (delivery !== undefined) {
      this.#end(delivery);
    }
    if (this.#failure !== undefined) {
      this.#close();
      throw this.#failure.reason;
    }
  }

  #end({ ended, errno, text }: NativeDelivery): void {
    this.#gone ||= ended;
    if (errno !== undefined) {
      const namespace = this.#where.netns === undefined ? undefined : String(this.#where.netns);
      const details = { code: errnoName(errno), errno, operation: 'watch', namespace, extack: text };
      this.#failure = { reason: new KernelError(details) };
    }
  }

  #close(failure?: { reason: unknown }): void {
    if (this.#closed) {
      return;
    }
    this.#closed = true;
    this.#failure ??= failure;
    this.#events = [];
    this.#position = 0;
    this.#removeAbortCallback();
    this.#native.close();
    this.#onEnd(this);
  }
}
