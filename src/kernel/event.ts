import type { Address } from './address.js';
import type { BridgePortOptions, Link } from './link/index.js';
import type { Neighbour } from './neighbour.js';
import type { Route } from './route.js';
import type { Rule } from './rule.js';
import type { Snapshot } from './snapshot.js';
import type { Filter, Qdisc } from './traffic.js';

/** What can be watched. `neighbour` includes forwarding database entries (`family: 'bridge'`). */
export type WatchTopic = 'link' | 'address' | 'route' | 'neighbour' | 'rule' | 'traffic' | 'nftables';

/** What there is in a namespace, of each topic that is watched. */
export type WatchSnapshot = Partial<Omit<Snapshot, 'connections'>>;

/**
 * Something that happened in a namespace. `changed`: it is new, or differs, or was written again as it was; `deleted`
 * shows it as it was last.
 */
export type KernelEvent =
  | { event: 'link.changed' | 'link.deleted'; link: Link }
  /** A link's place in a bridge: it became a port or its options there changed; it is a port no more. */
  | { event: 'port.changed' | 'port.deleted'; index: number; master?: number; port?: BridgePortOptions }
  | { event: 'address.changed' | 'address.deleted'; address: Address }
  | { event: 'route.changed' | 'route.deleted'; route: Route }
  | { event: 'neighbour.changed' | 'neighbour.deleted'; neighbour: Neighbour }
  | { event: 'rule.changed' | 'rule.deleted'; rule: Rule }
  | { event: 'qdisc.changed' | 'qdisc.deleted'; qdisc: Qdisc }
  | { event: 'filter.changed'; filter: Filter }
  /** Without `handle` and `data`: all filters of that place, priority and protocol. */
  | { event: 'filter.deleted'; filter: Omit<Filter, 'handle' | 'data'> & Partial<Filter> }
  /** A transaction was committed by this process; what it changed is not told. */
  | { event: 'nftables.changed'; generation: number; pid?: number; program?: string }
  /** The kernel dropped events, because nobody read them in time. A snapshot follows. */
  | { event: 'overflow' }
  /** All that there is. Events that follow may tell again of what it holds already, never of less. */
  | { event: 'snapshot'; snapshot: WatchSnapshot };

export interface WatchOptions {
  /** Ends the watch: what waits for an event is rejected with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** All if absent. */
  topics?: readonly WatchTopic[];
  /** Begin with a snapshot. Default false. */
  snapshot?: boolean;
  /** What the kernel keeps of events that are not read yet, in bytes, 1 to 2^29. Default 4 MiB. */
  bufferBytes?: number;
}

/**
 * The events of one namespace, in the order in which they happened (nftables' among themselves). It ends when the
 * namespace is deleted (or the process that names it ends); closing it early is up to its user: leave the loop, call
 * `return()`, abort the signal, or `await using`. It keeps the process alive only while an event is waited for.
 */
export interface KernelWatch extends AsyncIterableIterator<KernelEvent, undefined, undefined>, AsyncDisposable {
  /** Resolves once nothing is missed any more. Rejects, as the first `next()` does, if the namespace can't be watched. */
  readonly ready: Promise<void>;
  return(): Promise<IteratorResult<KernelEvent, undefined>>;
}
