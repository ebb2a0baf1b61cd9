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
    /** A network was moved to another network node; `detail` has its name. */
    | 'network.move'
    | 'interface.attach'
    | 'interface.detach'
    | 'interface.float'
    | 'interface.defloat'
    | 'interface.metadata'
    /** A migration was prepared, switched, or aborted; `detail` has the name of the target. */
    | 'interface.migrate'
    | 'interface.switch'
    | 'interface.abort'
    /** The container or device of an interface does not exist any more. */
    | 'interface.lost'
    /** Processes still use the namespace of a slot that was detached; `detail` has their ids. It ends with them. */
    | 'interface.busy'
    /** A pool was created, or an existing one was returned. `detail` begins with the name of the pool, as of all events of pools. */
    | 'pool.create'
    | 'pool.resize'
    | 'pool.delete'
    /** Free slots were created in the background. */
    | 'pool.refill'
    /** Free slots could not be created: the network has no free address, or its bridge no free port. */
    | 'pool.limit'
    | 'repair'
    /** A node of a cluster does not trust its store: it changes nothing until `acceptStore`. */
    | 'store.suspect'
    | 'store.accepted'
    /** A node was removed from the cluster; `detail` has its name. */
    | 'node.remove'
    /** `detail` has the name of the node, as of all events of nodes. */
    | 'node.cordon'
    | 'node.uncordon'
    | 'node.drain'
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
