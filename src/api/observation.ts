/* What is seen of a host while it runs: drift, events, counters. */

export interface DriftWatchOptions {
  /** At least so long between two looks, in milliseconds. Default 1000; longer where looks take long. */
  interval?: number;
  /** Told of what was repaired, in words. */
  onRepair?: (repairs: string[]) => void;
  /** Told if a look failed; it is tried again. */
  onError?: (error: unknown) => void;
  /** Ends it. */
  signal?: AbortSignal;
}

export interface DriftWatch extends AsyncDisposable {
  /** Ends it, and waits for a repair that is under way. */
  close(): Promise<void>;
}

/** Something that was done on a host, by whichever process. */
export interface HostEvent {
  /** Grows from one to the next; `EventOptions.after` takes it. */
  id: string;
  /** When it was over: ISO 8601, UTC. */
  time: string;
  event:
    | 'host.init'
    /** Remembered settings were changed; `detail` has their new values. */
    | 'host.settings'
    | 'host.teardown'
    | 'network.create'
    | 'network.delete'
    | 'network.route'
    | 'network.unroute'
    | 'network.metadata'
    | 'interface.attach'
    | 'interface.detach'
    | 'interface.float'
    | 'interface.defloat'
    | 'interface.metadata'
    /** What it was attached to is gone. */
    | 'interface.lost'
    | 'repair'
    /** A node of a cluster doubts its store, and changes nothing until that is accepted. */
    | 'store.doubted'
    | 'store.accepted'
    | 'dnsmasq.died'
    | 'dnsmasq.restarted'
    /** A client has declined `address`, as in use; it gets it again all the same. */
    | 'dnsmasq.declined'
    | 'dnsmasq.failed';
  /**
   * Why: a call asked for it; the host was opened, reconciled or watched, and something was not as the store has it; a
   * dnsmasq had died, or a client had declined its address.
   */
  cause: 'request' | 'opening' | 'reconciliation' | 'drift' | 'supervision';
  /** UUIDs. */
  network?: string;
  interface?: string;
  /** The floating or routed address that it is about, or the address of the interface that was attached. */
  address?: string;
  /** Of a repair: what was wrong, in words. */
  detail?: string;
  /** In milliseconds. */
  duration: number;
  /** If it failed. */
  error?: { code: string; message: string };
  /** The process that did it. */
  pid: number;
}

export interface EventOptions {
  /** Wait for more when there is none, until aborted, or the host is closed. Default true. */
  follow?: boolean;
  /** Begin with the oldest event that is kept, not with the first after the call. Default false. */
  history?: boolean;
  /** Begin after the event of this id. */
  after?: string;
  /** Only what is about this network, interface (UUIDs) or address. */
  subject?: string;
  signal?: AbortSignal;
}

/** What passed, in one direction. */
export interface Traffic {
  packets: number;
  bytes: number;
  /** Given up by the link, for whatever reason. */
  dropped: number;
}

/** What passed an interface since it was attached, as its instance sees it. */
export interface InterfaceCounters {
  sent: Traffic;
  received: Traffic;
}

/**
 * What passed a network since it was made, on this host. On a hypervisor node of a cluster, where the network has no
 * namespace, `router`, `egress`, `floating` and `rules` are absent.
 */
export interface NetworkCounters {
  /** Of all interfaces that are attached here now. */
  interfaces: InterfaceCounters;
  /** To and from the network's own namespace: router, DHCP, DNS. */
  router?: InterfaceCounters;
  /** To and from other hosts. */
  mesh: InterfaceCounters;
  /** To and from the outside, other than by floating addresses. Absent without NAT. */
  egress?: InterfaceCounters;
  /** To and from floating addresses. */
  floating?: InterfaceCounters;
  /** What each rule of the network's ruleset that counts has met, by its comment. */
  rules?: Record<string, { packets: number; bytes: number }>;
}
