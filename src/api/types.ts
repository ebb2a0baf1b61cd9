import type { NamespaceRef } from '../kernel/namespace.js';
import type { Json } from '../store/store.js';
import type {
  DriftWatch,
  DriftWatchOptions,
  EventOptions,
  HostEvent,
  InterfaceCounters,
  NetworkCounters,
  RepairResult,
} from './observation.js';

/** Options of `openHost`. */
export interface HostOptions {
  /** The namespace that stands for the host; the process's own if absent. */
  netns?: NamespaceRef;
  /** Folder of the embedded store; created with mode 0700. */
  state: string;
  /**
   * The NIC through which the host reaches the outside; names the egress bridge `egr-br-<egressNic>`. This and the other
   * settings below are remembered: who opens the host again need not give them. Another value than the remembered one is a
   * ConflictError, or changes it for all with `updateSettings`; egressNic, floatingNetwork and vxlanPort never change.
   * Required for a new host.
   */
  egressNic?: string;
  /** The NIC that carries the VXLAN mesh. Its MTU less 50 is the networks' MTU, its first address the local VTEP. */
  meshNic?: string;
  /** CIDR of the floating addresses; its first address becomes the egress bridge's. Required for a new host. */
  floatingNetwork?: string;
  /** Masquerade the floating network out of the egress NIC. Default false. */
  outboundNat?: boolean;
  /**
   * Let instances reach the metadata services of clouds, which may hand out the host's credentials: 169.254.0.0/16,
   * 168.63.129.16 and 100.100.100.200. Default: as the host was opened before, at first false. Connections that are there
   * go on when it is taken back. Resolvers at these addresses serve dnsmasq in any case.
   */
  allowMetadata?: boolean;
  /**
   * Keep iptables away from bridged frames in the host's namespace (`net.bridge.bridge-nf-call-iptables` = 0), for
   * others' bridges too. Default false: where it drops traffic, `HostInfo.warnings` says so.
   */
  disableBridgeNetfilter?: boolean;
  /** UDP port of VXLAN. Default 4789. */
  vxlanPort?: number;
  /**
   * Have the machine's neighbour table take at least so many entries, 1024 to 1048576 (`net.ipv4.neigh.default.gc_thresh3`; 1 and
   * 2 in proportion). All network namespaces share it. Raised only, and not lowered afterwards, as others may rely on it. Left
   * alone if absent. Only for a process in the machine's first network namespace.
   */
  neighbourTable?: number;
  /** How long a released address is kept from re-use, in milliseconds. Default 300,000. */
  deletionHalo?: number;
  /**
   * Resolvers given to instances of networks with NAT. Default: those of /etc/resolv.conf that are not loopback, or those
   * that systemd-resolved asks, as they are when the host is made.
   */
  dnsServers?: string[];
  /** DNS domain of instances. Default `vethwork.internal`. */
  domain?: string;
  /** Owner recorded with what is made through this handle. Default `system`. */
  tenant?: string;
  /**
   * Repair at once what is not as the store has it, and watch over every dnsmasq. Default true. With false, a host that
   * is known already is opened without a change: for looking, or for a short visit.
   */
  repair?: boolean;
  /** Change remembered settings to the values given here, for every process. Default false. */
  updateSettings?: boolean;
  /** Called for each network that the repair at the opening has seen to: after a reboot there may be many. */
  onProgress?: (progress: ReconcileProgress) => void;
  /** Ends the opening. What it made of a new host is removed again. */
  signal?: AbortSignal;
}

export interface CreateNetworkOptions {
  /** One network's of its tenant. */
  name: string;
  /** IPv4 CIDR, /8 to /29, no host bits set. */
  netblock: string;
  /** Default true. */
  provideDhcp?: boolean;
  /** Default true. */
  provideNat?: boolean;
  /** Default false. */
  provideDns?: boolean;
  uuid?: string;
  /** VNI, 1 to 2^24-1. */
  vni?: number;
  /**
   * Address of the floating network from which the network reaches the outside, as others may have to let it in; a random
   * free one if absent. Only with `provideNat`.
   */
  floatingGateway?: string;
  /** At most the mesh NIC's MTU less 50, which is the default. */
  mtu?: number;
  tenant?: string;
  metadata?: Record<string, Json>;
  signal?: AbortSignal;
}

export interface AttachCommon {
  /** Fixed IPv4 address; a random free one if absent. */
  address?: string;
  /** Fixed unicast MAC, not `fe:…`, which the host's ends of links have; `02:00:00:xx:xx:xx` if absent. */
  mac?: string;
  hostname?: string;
  /** Position of this NIC in its instance. Default 0. */
  order?: number;
  /** NIC model shown to the user. Default `virtio`. */
  model?: string;
  instance?: string;
  /**
   * Let nothing pass that does not come from the interface's own MAC and IPv4 address, or claims another by ARP; nor
   * what only a DHCP server says, nor IPv6. Default true.
   */
  antiSpoofing?: boolean;
  /**
   * Further IPv4 addresses that it may send from. Those routed into its network need not be named. Several interfaces may
   * share one, but one of the netblock is nobody's own address meanwhile.
   */
  allowedAddresses?: string[];
  metadata?: Record<string, Json>;
  signal?: AbortSignal;
}

export type AttachOptions = AttachCommon &
  (
    | { tap: string /** User id that may open it. */; owner?: number; multiQueue?: boolean }
    /** A veth whose inner end is put into a container's namespace as `name`. */
    | {
        netns: NamespaceRef;
        name?: string;
        /**
         * Static address, routes, MTU, loopback up; with `antiSpoofing`, which lets no IPv6 pass, no IPv6 address. Default
         * false: a link that is down, for whoever is in the container to configure.
         */
        configure?: boolean;
      }
    /** A link that exists already; it is given back as it was on detach. */
    | { device: string }
  );

export interface NetworkInfo {
  uuid: string;
  name: string;
  vni: number;
  netblock: string;
  gateway: string;
  provideDhcp: boolean;
  provideNat: boolean;
  provideDns: boolean;
  /** Absent without NAT. */
  floatingGateway?: string;
  mtu: number;
  tenant: string;
  state: 'initial' | 'created' | 'deleting';
  routedAddresses: string[];
  metadata: Record<string, Json>;
  /** Set while the cluster's store can't be reached: what is told is of that time (ISO 8601). */
  asOf?: string;
}

export interface InterfaceInfo {
  uuid: string;
  network: string;
  /** Node of the cluster where it is attached. */
  node?: string;
  /** Of the link in the host's namespace. */
  device: string;
  attachment: 'tap' | 'veth' | 'device';
  mac: string;
  order: number;
  address: string;
  floating?: string;
  model: string;
  antiSpoofing: boolean;
  allowedAddresses: string[];
  hostname?: string;
  instance?: string;
  /**
   * `lost`: what it was attached to (the container's namespace, the device) is gone. It keeps its address until it is
   * detached. A device that is plugged in again is attached again; a namespace that is made again is another one.
   */
  state: 'initial' | 'created' | 'deleting' | 'lost';
  /** Why it is lost. */
  reason?: string;
  metadata: Record<string, Json>;
  /** Set while the cluster's store can't be reached: what is told is of that time (ISO 8601). */
  asOf?: string;
}

/** A reserved address of a network; one that several interfaces are allowed to use beside their own is told for each. */
export interface AddressInfo {
  address: string;
  use: 'network' | 'broadcast' | 'gateway' | 'interface' | 'allowed' | 'halo';
  interface?: string;
  mac?: string;
}

export interface HostInfo {
  egressBridge: string;
  floatingNetwork: string;
  floatingAddress: string;
  egressNic: string;
  meshNic: string;
  mtu: number;
  networks: number;
  interfaces: number;
  floatingAddresses: { total: number; used: number };
  /** What is likely to disturb the networks and is not ours to change, in words. Absent if there is nothing. */
  warnings?: string[];
  /** Set while the cluster's store can't be reached: what is told is of that time (ISO 8601). */
  asOf?: string;
  /** Of a cluster: this node, and all that are or were members of it. */
  node?: string;
  role?: 'network' | 'hypervisor';
  nodes?: NodeInfo[];
}

/** A node of a cluster. */
export interface NodeInfo {
  name: string;
  role: 'network' | 'hypervisor';
  /** `gone`: its agent has not been heard of. It is part of the mesh as before: what runs there goes on. */
  state: 'member' | 'gone';
  /** Address of its VTEP. */
  address?: string;
  mtu?: number;
  interfaces: number;
}

export interface ReconcileOptions {
  /** Only say what would be repaired. Default false. */
  dryRun?: boolean;
  /** Called for each network when it has been seen to; several are at the same time. */
  onProgress?: (progress: ReconcileProgress) => void;
  /** No further network is begun once it is aborted. */
  signal?: AbortSignal;
}

export interface ReconcileProgress {
  /** UUID of the network. */
  network: string;
  done: number;
  total: number;
  /** What was wrong with it. */
  repairs: RepairResult[];
}

/**
 * Options of calls that remove something. A call that is aborted before its turn has come changes nothing. From then on the
 * removal is recorded and goes on: the call ends at once, and the removal in the background, or with the next reconciliation.
 */
export interface RemoveOptions {
  signal?: AbortSignal;
}

/** A handle: getting one does no I/O beyond checking that the object exists. */
export interface Interface {
  readonly uuid: string;
  /** As of the last call through this handle. */
  readonly info: InterfaceInfo;
  refresh(): Promise<InterfaceInfo>;
  /** @throws ConflictError if it is on another node of the cluster */
  counters(): Promise<InterfaceCounters>;
  /**
   * Gives the interface a floating address and resolves to it. Default: a random free one. With `signal` aborted, the
   * address is released again.
   */
  float(options?: { address?: string; signal?: AbortSignal }): Promise<string>;
  /** Removes the floating address and cuts its connections. Does nothing if there is none. @see RemoveOptions */
  defloat(options?: RemoveOptions): Promise<void>;
  /** Removes the interface. Does nothing if it is gone. @see RemoveOptions */
  detach(options?: RemoveOptions): Promise<void>;
  setMetadata(metadata: Record<string, Json>): Promise<void>;
}

export interface Network {
  readonly uuid: string;
  readonly info: NetworkInfo;
  refresh(): Promise<NetworkInfo>;
  counters(): Promise<NetworkCounters>;
  /**
   * Connects a tap, a container or a device of the host. Of a thousand calls at once, 32 are under way at a time, not counting
   * those that wait for a dnsmasq; the others wait in order, and leave at once if their signal is aborted. In a cluster all
   * are at once.
   */
  attach(options: AttachOptions): Promise<Interface>;
  /**
   * The interface with that tap, that device, or of that name in that namespace, which is attached if there is none; of several
   * calls at once, in whichever processes, one attaches it. What is there must have everything that is asked for, and be in
   * this network; `metadata` is not compared.
   * @throws DifferenceError naming what differs
   */
  ensureInterface(options: AttachOptions): Promise<Interface>;
  listInterfaces(): Promise<InterfaceInfo[]>;
  listAddresses(): Promise<AddressInfo[]>;
  /** Routes an address of the floating pool into the network and resolves to it. */
  routeAddress(options?: { address?: string; signal?: AbortSignal }): Promise<string>;
  /** Undoes `routeAddress`. @throws NotFoundError if the address is not routed into the network. @see RemoveOptions */
  unrouteAddress(address: string, options?: RemoveOptions): Promise<void>;
  /** One ICMP echo from inside the network's namespace; round-trip time in ms, or undefined. Timeout in ms, default 1000. */
  ping(address: string, options?: { timeout?: number; signal?: AbortSignal }): Promise<number | undefined>;
  setMetadata(metadata: Record<string, Json>): Promise<void>;
  /** Detaches all interfaces, releases all addresses, removes the network. @see RemoveOptions */
  delete(options?: RemoveOptions): Promise<void>;
}

export interface Host extends AsyncDisposable {
  readonly info: HostInfo;
  refresh(): Promise<HostInfo>;
  /** @throws ConflictError also if another network of the tenant has the name */
  createNetwork(options: CreateNetworkOptions): Promise<Network>;
  /**
   * The network of that name (or UUID), which is made if there is none; of several calls at once, in whichever processes, one
   * makes it. What is there must have everything that is asked for; `metadata` is not compared.
   * @throws DifferenceError naming what differs
   */
  ensureNetwork(options: CreateNetworkOptions): Promise<Network>;
  /** By UUID, or by name if just one network has it. @throws NotFoundError, ConflictError */
  getNetwork(idOrName: string): Promise<Network>;
  listNetworks(): Promise<NetworkInfo[]>;
  /** By UUID, or by device name. */
  getInterface(idOrDevice: string): Promise<Interface>;
  listInterfaces(): Promise<InterfaceInfo[]>;
  /** Makes the kernel and dnsmasq match the store again. Resolves to what was, or would be, repaired; empty if nothing was. */
  reconcile(options?: ReconcileOptions): Promise<RepairResult[]>;
  /**
   * Of a cluster whose store was restored from an older copy, or has lost what nodes have (`warnings`, `/healthz`): confirms
   * that the store is right as it is now. Nodes then remove what it does not have. @throws ConflictError on a machine by
   * itself
   */
  acceptStore(): Promise<void>;
  /**
   * Repairs what others break, from the kernel's events, until it or the host is closed. Keeps a socket for each network
   * open. Resolves when nothing that happens afterwards is missed.
   */
  watchDrift(options?: DriftWatchOptions): Promise<DriftWatch>;
  /**
   * What is done on this host, by whichever process, as it happens. The last 8 MiB of it are kept in the state folder,
   * and can be read as well.
   */
  events(options?: EventOptions): AsyncIterableIterator<HostEvent, undefined, undefined>;
  /** Resolves when every link put out of service is really gone. */
  drained(): Promise<void>;
  /**
   * Removes what `openHost` made (egress bridge, rules). A node of a cluster leaves it, and this process is its agent no more.
   * @throws ConflictError while networks exist (on a hypervisor node: while interfaces live there), and if another process
   *   is the node's agent
   */
  teardown(): Promise<void>;
  /** Waits for what is under way. Leaves all networks running. `await using` calls it. */
  close(): Promise<void>;
}
