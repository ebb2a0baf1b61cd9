/* Types for the observation of a running host: drift, events, counters. */

/** A difference between the records and the node, and the result of its repair. */
export interface RepairResult {
  /** UUID of the network. Absent for the host itself. */
  network?: string;
  /** UUID of the interface. Absent if the repair is not about an interface. */
  interface?: string;
  /**
   * `create`: objects were missing. `remove`: objects were extraneous or orphaned. `recover`: an interrupted change was
   * undone or finished. `dnsmasq`: dnsmasq did not run, or had other files. `mark-lost`: the container or device of an
   * interface does not exist any more. `update-record`: the device of an interface exists again with another index.
   */
  action: 'create' | 'remove' | 'recover' | 'dnsmasq' | 'mark-lost' | 'update-record';
  /** Text for people. It may change between versions. */
  description: string;
  /** Error of the repair. Absent if it succeeded, and with `dryRun`. */
  error?: { code: string; message: string };
}

/** Options of `Host.watchDrift`. */
export interface DriftWatchOptions {
  /**
   * Minimum time between two reconciliations, in milliseconds. Default 1000. It is 10 times the duration of one, if
   * that is more.
   */
  interval?: number;
  /** Called with the results of a reconciliation that repaired something, or failed to. */
  onRepair?: (repairs: RepairResult[]) => void;
  /**
   * Called if a reconciliation failed as a whole; it is retried. Without this option, the error is emitted as a process
   * warning (`VethworkWarning`), once for each message.
   */
  onError?: (error: unknown) => void;
  /** Ends the watch. */
  signal?: AbortSignal;
}

/** A running watch for drift. */
export interface DriftWatch extends AsyncDisposable {
  /** Ends the watch, and waits for a running reconciliation. */
  close(): Promise<void>;
}

/** An action on a host, of any of its processes. */
export interface HostEvent {
  /** Id in ascending order; see `EventOptions.after`. */
  id: string;
  /** Time of the end of the action: ISO 8601, UTC. */
  time: string;
  event:
    | 'host.init'
    /** Recorded settings were changed; `detail` has the new values. */
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
    /** The container or device of an interface does not exist any more. */
    | 'interface.lost'
    | 'repair'
    /** A node of a cluster does not trust its store: it changes nothing until `acceptStore`. */
    | 'store.suspect'
    | 'store.accepted'
    /** A node was removed from the cluster; `detail` has its name. */
    | 'node.remove'
    | 'dnsmasq.died'
    | 'dnsmasq.restarted'
    /** A client has declined `address` as in use (DHCPDECLINE). The reservation stays. */
    | 'dnsmasq.declined'
    | 'dnsmasq.failed';
  /**
   * Cause. `request`: a call. `opening`, `reconciliation`, `drift`: a repair by `openHost`, `reconcile` or
   * `watchDrift`. `supervision`: supervision of dnsmasq or of the store.
   */
  cause: 'request' | 'opening' | 'reconciliation' | 'drift' | 'supervision';
  /** UUID of the network. */
  network?: string;
  /** UUID of the interface. */
  interface?: string;
  /** Floating or routed address, or the address of the attached interface. */
  address?: string;
  /** Description of a repair, or the changed settings. */
  detail?: string;
  /** Duration in milliseconds. */
  duration: number;
  /** Error, if the action failed. */
  error?: { code: string; message: string };
  /** Process id of the process that acted. */
  pid: number;
}

/** Options of `Host.events`. */
export interface EventOptions {
  /** Wait for further events until the signal is aborted or the host is closed. Default true. */
  follow?: boolean;
  /** Begin with the oldest recorded event, not with the first after the call. Default false. */
  history?: boolean;
  /** Begin after the event with this id. */
  after?: string;
  /** Only events of this network (UUID), interface (UUID) or address. */
  subject?: string;
  signal?: AbortSignal;
}

/** Counters of one direction. */
export interface Traffic {
  packets: number;
  bytes: number;
  /** Packets dropped by the link, and errors. */
  dropped: number;
}

/** Counters since the attach, from the point of view of the instance. */
export interface InterfaceCounters {
  sent: Traffic;
  received: Traffic;
}

/**
 * Counters of a network on this node, since its creation. On a hypervisor node of a cluster, which has no namespace of
 * the network, `router`, `egress`, `floating` and `rules` are absent.
 */
export interface NetworkCounters {
  /** Sum of the interfaces that are attached on this node now. */
  interfaces: InterfaceCounters;
  /** To and from the namespace of the network: routing, DHCP, DNS. */
  router?: InterfaceCounters;
  /** To and from other nodes, by VXLAN. */
  mesh: InterfaceCounters;
  /** To and from the outside, without floating addresses. Absent without NAT. */
  egress?: InterfaceCounters;
  /** To and from floating addresses. */
  floating?: InterfaceCounters;
  /** Counters of nftables rules, by `<chain>: <comment>`. */
  rules?: Record<string, { packets: number; bytes: number }>;
}
