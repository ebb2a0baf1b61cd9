/* What is seen of a host while it runs: drift, events, counters. */

/** A difference between records and what there is, and what was done about it. */
export interface RepairResult {
  /** UUID of the network. Absent for the host itself. */
  network?: string;
  /** UUID of the interface. Absent where it is not about one. */
  interface?: string;
  /**
   * `create`: something was missing. `remove`: something was there that no record names. `recover`: a change was
   * interrupted, and what it left was removed. `dnsmasq`: a dnsmasq did not run, or not with these files. `mark-lost`: what
   * an interface was attached to is gone. `update-record`: it is there again, in another place.
   */
  action: 'create' | 'remove' | 'recover' | 'dnsmasq' | 'mark-lost' | 'update-record';
  /** What it is about, for people. May change between versions. */
  description: string;
  /** Why the repair failed. Absent if it succeeded, and with `dryRun`. */
  error?: { code: string; message: string };
}

export interface DriftWatchOptions {
  /** Least time between two reconciliations, in milliseconds. Default 1000. It is longer where these take long. */
  interval?: number;
  /** Called with what was repaired, and with what could not be. */
  onRepair?: (repairs: RepairResult[]) => void;
  /**
   * Called if a reconciliation failed as a whole; it is tried again. Without it, such an error is emitted as a process warning
   * (`VethworkWarning`), once for each message.
   */
  onError?: (error: unknown) => void;
  /** Ends the watch. */
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
  /** Of a repair: its description. */
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
