import type { Address } from './address.js';
import type { Connection } from './connection.js';
import type { BridgePortOptions, Link } from './link/index.js';
import type { Neighbour } from './neighbour.js';
import type { Route } from './route.js';
import type { Rule } from './rule.js';
import type { Snapshot } from './snapshot.js';
import type { Filter, Qdisc } from './traffic.js';

/**
 * Topics of a watch. `neighbour` includes forwarding database entries (`family: 'bridge'`). `setting` are the sysctls
 * that the kernel reports, such as `ip_forward` (`ip monitor netconf`); a snapshot does not contain them. `connection`
 * are tracked connections (`conntrack -E`), which are not watched by default. From Linux 5.19 on, the kernel reports
 * only changes of connections that began during the watch, unless `net.netfilter.nf_conntrack_events` is 1. It reports
 * no change of a timeout alone.
 */
export type WatchTopic =
  | 'link'
  | 'address'
  | 'route'
  | 'neighbour'
  | 'rule'
  | 'traffic'
  | 'setting'
  | 'nftables'
  | 'connection';

/** Objects of a namespace for each watched topic. */
export type WatchSnapshot = Partial<Snapshot>;

/**
 * An event in a namespace. `changed`: the object is new, has changed, or was written without a change. `deleted`
 * contains its last state.
 */
export type KernelEvent =
  | { event: 'link.changed' | 'link.deleted'; link: Link }
  /** A link became a bridge port or its port options changed; or it is no longer a port. */
  | { event: 'port.changed' | 'port.deleted'; index: number; master?: number; port?: BridgePortOptions }
  | { event: 'address.changed' | 'address.deleted'; address: Address }
  | { event: 'route.changed' | 'route.deleted'; route: Route }
  | { event: 'neighbour.changed' | 'neighbour.deleted'; neighbour: Neighbour }
  | { event: 'rule.changed' | 'rule.deleted'; rule: Rule }
  | { event: 'qdisc.changed' | 'qdisc.deleted'; qdisc: Qdisc }
  | { event: 'filter.changed'; filter: Filter }
  /** Without `handle` and `data`: all filters of this parent, priority and protocol. */
  | { event: 'filter.deleted'; filter: Omit<Filter, 'handle' | 'data'> & Partial<Filter> }
  /** A sysctl of a link, of `net.ipv4.conf.all` (`ip_forward` included) or of `default` was changed. */
  | {
      event: 'setting.changed';
      family: 'inet' | 'inet6';
      index?: number;
      scope?: 'all' | 'default';
      forwarding?: boolean;
      rpFilter?: number;
    }
  /** A transaction was committed by this process id. The event does not contain the changes. */
  | { event: 'nftables.changed'; generation: number; pid?: number; program?: string }
  | { event: 'connection.changed' | 'connection.deleted'; connection: Connection }
  /** The receive buffer overflowed and events were lost. A snapshot follows. */
  | { event: 'overflow' }
  /** All objects. Later events may repeat states that the snapshot already contains, but none is missing. */
  | { event: 'snapshot'; snapshot: WatchSnapshot };

export interface WatchOptions {
  /** Ends the watch: a pending `next()` rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Watched topics. Default: all but `connection`. */
  topics?: readonly WatchTopic[];
  /** Starts with a snapshot. Default false. */
  snapshot?: boolean;
  /** Receive buffer in bytes, 1 to 2^29. Default 4 MiB. */
  bufferBytes?: number;
}

/**
 * Events of one namespace, in order (nftables events are ordered among themselves). The watch ends when the namespace
 * is deleted, or the process that refers to it ends. Close it earlier by leaving the loop, `return()`, the signal, or
 * `await using`. It keeps the event loop alive only while a `next()` is pending.
 */
export interface KernelWatch extends AsyncIterableIterator<KernelEvent, undefined, undefined>, AsyncDisposable {
  /**
   * Resolves as soon as no event can be missed. Rejects, like the first `next()`, if the namespace cannot be watched.
   */
  readonly ready: Promise<void>;
  return(): Promise<IteratorResult<KernelEvent, undefined>>;
}
