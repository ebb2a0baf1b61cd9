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
  /** Network namespace that is the host. Default: that of this process. */
  netns?: NamespaceRef;
  /** Folder of the embedded store. Created with mode 0700. */
  stateDir: string;
  /**
   * NIC through which the host reaches the outside. The egress bridge is named `egr-br-<egressNic>`. Required for a new
   * host. This setting and those below are recorded, and may be omitted when the host is opened again. A value that
   * differs from the recorded one is a ConflictError, or, with `updateSettings`, changes the setting for all processes.
   * egressNic, floatingNetwork and vxlanPort cannot change.
   */
  egressNic?: string;
  /**
   * NIC of the VXLAN mesh. Its MTU less 50 is the MTU of networks; its first IPv4 address is the local VTEP. Default:
   * `egressNic`.
   */
  meshNic?: string;
  /** CIDR of the floating addresses. The egress bridge gets its first address. Required for a new host. */
  floatingNetwork?: string;
  /** Masquerade packets of the floating network that leave through the egress NIC. Default false. */
  outboundNat?: boolean;
  /**
   * Let instances reach the metadata services of clouds: 169.254.0.0/16, 168.63.129.16 and 100.100.100.200. These
   * services may give away credentials of the host. Default false. A change to false does not cut established
   * connections. dnsmasq can use resolvers at these addresses in any case.
   */
  allowMetadata?: boolean;
  /**
   * Set `net.bridge.bridge-nf-call-iptables` to 0 in the namespace of the host, so that bridged frames do not pass
   * iptables. This applies to all bridges of the namespace. Default false; `HostInfo.warnings` reports rules that may
   * drop traffic.
   */
  disableBridgeNetfilter?: boolean;
  /** UDP port of VXLAN. Default 4789. */
  vxlanPort?: number;
  /**
   * Minimum size of the machine's neighbour table in entries, 1024 to 1048576 (`net.ipv4.neigh.default.gc_thresh3`;
   * gc_thresh1 and gc_thresh2 in proportion). All network namespaces share the table. The sysctls are raised only, and
   * are not restored. Default: unchanged. Only for a process in the machine's initial network namespace.
   */
  neighbourTable?: number;
  /** How long a released address is kept from re-use, in milliseconds. Default 300,000. */
  deletionHalo?: number;
  /**
   * A call that changes something returns when its change is on disk. Default true. With false, the last seconds before a
   * failure of the machine (power, kernel) may be lost; the state is consistent all the same. A change survives the end of the
   * process in any case. As `synchronous_commit` of PostgreSQL.
   */
  synchronousCommit?: boolean;
  /**
   * Resolvers of the instances of networks with NAT. Default: those of /etc/resolv.conf that are not loopback
   * addresses, or the upstream servers of systemd-resolved, at the time when the host is created.
   */
  dnsServers?: string[];
  /** DNS domain of the instances. Default `vethwork.internal`. */
  domain?: string;
  /** Owner of networks that are created through this handle. Default `system`. */
  tenant?: string;
  /**
   * Reconcile all networks, and supervise every dnsmasq. Default true. With false, an existing host is opened without
   * any change, for example to read its state.
   */
  repair?: boolean;
  /** Change recorded settings to the given values, for all processes. Default false. */
  updateSettings?: boolean;
  /** Called after each network that is reconciled by `openHost`. */
  onProgress?: (progress: ReconcileProgress) => void;
  /** Aborts the call. The objects and records of a new host are removed again. */
  signal?: AbortSignal;
}

/** Options of a network. */
export interface CreateNetworkOptions {
  /** Name, unique within the tenant. */
  name: string;
  /** IPv4 CIDR, /8 to /29, without host bits. */
  netblock: string;
  /** Run a DHCP server. Default true. */
  provideDhcp?: boolean;
  /** Connect the network to the outside by NAT. Default true. */
  provideNat?: boolean;
  /** Run a DNS server for the names of the instances. Default false. */
  provideDns?: boolean;
  /** Default: a random UUID. */
  uuid?: string;
  /** VXLAN network identifier, 1 to 2^24-1. Default: a random free one. */
  vni?: number;
  /**
   * Address of the floating network that is the source address of the network outside, for example for firewall rules
   * there. Only with `provideNat`. Default: a random free one.
   */
  floatingGateway?: string;
  /** MTU in bytes, at most that of the mesh NIC less 50. Default: this maximum. */
  mtu?: number;
  /** Owner of the network. Default: the `tenant` of the host. */
  tenant?: string;
  metadata?: Record<string, Json>;
  signal?: AbortSignal;
}

/** Options of all kinds of attachment. */
export interface AttachCommon {
  /** IPv4 address. Default: a random free one. */
  address?: string;
  /** Unicast MAC, except `fe:…`: links of the host have those. Default: a random free `02:00:00:xx:xx:xx`. */
  mac?: string;
  /** Name of the instance for DHCP and DNS: one label, unique within its network, not `localhost`. Case is ignored. */
  hostname?: string;
  /** Position of this NIC in its instance, 0 to 1023. Default 0. */
  order?: number;
  /** NIC model, for information only. Default `virtio`. */
  model?: string;
  /** Id of the instance, for information only. */
  instance?: string;
  /**
   * Drop frames of the instance with another source MAC, IPv4 source address or ARP sender address than its own, DHCP
   * server messages, and IPv6. Default true.
   */
  antiSpoofing?: boolean;
  /**
   * Further IPv4 source addresses of the instance. Addresses that are routed into its network are allowed without this
   * option. Several interfaces may have the same one; an allowed address in the netblock is not assigned to any
   * interface. At most 256.
   */
  allowedAddresses?: string[];
  metadata?: Record<string, Json>;
  signal?: AbortSignal;
}

/** Options of an attach: exactly one of `tap`, `netns` and `device`. */
export type AttachOptions = AttachCommon &
  /** A new tap, for a virtual machine. */
  (
    | { tap: string /** User id that may open the tap. */; owner?: number; multiQueue?: boolean }
    /** A new veth pair with one end, `name`, in the namespace of a container. Default name `eth0`. */
    | {
        netns: NamespaceRef;
        name?: string;
        /**
         * Set address, routes and MTU, set the link and loopback up; with `antiSpoofing` also disable IPv6 on the link.
         * The default route has the metric `order`, or the next one that no other default route of the container has.
         * Default false: the link is down, and the container configures it.
         */
        configure?: boolean;
      }
    /** An existing link of the host. A detach restores its settings. */
    | { device: string }
  );

/** Information about a network. */
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
  /** Present while the store of a cluster cannot be reached: the information is as of this time (ISO 8601). */
  asOf?: string;
}

/** Information about an interface. */
export interface InterfaceInfo {
  uuid: string;
  /** UUID of the network. */
  network: string;
  /** Node on which it is attached. Absent on a lone host. */
  node?: string;
  /** Name of the link in the namespace of the host. */
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
   * `lost`: the container's namespace or the device does not exist any more. The interface keeps its address until it
   * is detached. A device that appears again is attached again. A new namespace with the same name is not.
   */
  state: 'initial' | 'created' | 'deleting' | 'lost';
  /** Reason why the interface is lost. */
  reason?: string;
  metadata: Record<string, Json>;
  /** Present while the store of a cluster cannot be reached: the information is as of this time (ISO 8601). */
  asOf?: string;
}

/** A reserved address of a network. An allowed address of several interfaces is listed once for each. */
export interface AddressInfo {
  address: string;
  use: 'network' | 'broadcast' | 'gateway' | 'interface' | 'allowed' | 'halo';
  interface?: string;
  mac?: string;
}

/** Information about a host. */
export interface HostInfo {
  egressBridge: string;
  floatingNetwork: string;
  floatingAddress: string;
  /** The floating network is masqueraded. Otherwise, routers outside must have a route to it. */
  outboundNat: boolean;
  egressNic: string;
  meshNic: string;
  mtu: number;
  networks: number;
  interfaces: number;
  floatingAddresses: { total: number; used: number };
  /** Texts about problems that vethwork cannot solve by itself. Absent if there are none. */
  warnings?: string[];
  /** Present while the store of a cluster cannot be reached: the information is as of this time (ISO 8601). */
  asOf?: string;
  /** Name of this node. Absent on a lone host, as `role` and `nodes`. */
  node?: string;
  role?: 'network' | 'hypervisor';
  /** All nodes that are or were members of the cluster. */
  nodes?: NodeInfo[];
}

/** A node of a cluster. */
export interface NodeInfo {
  name: string;
  role: 'network' | 'hypervisor';
  /** `gone`: the lease of its agent has expired. The node stays part of the mesh, and its instances keep running. */
  state: 'member' | 'gone';
  /** Address of its VTEP. */
  address?: string;
  /** Largest MTU of a network that the node supports. */
  mtu?: number;
  /** Number of interfaces on the node. */
  interfaces: number;
}

/** Options of `Host.reconcile`. */
export interface ReconcileOptions {
  /** Report the repairs without running them. Default false. */
  dryRun?: boolean;
  /** Called after each network. Several networks are reconciled concurrently. */
  onProgress?: (progress: ReconcileProgress) => void;
  /** After an abort, no further network is begun. */
  signal?: AbortSignal;
}

/** Progress of a reconciliation, after one network. */
export interface ReconcileProgress {
  /** UUID of the network. */
  network: string;
  /** Number of networks that are done. */
  done: number;
  /** Number of all networks. */
  total: number;
  /** Repairs of this network. */
  repairs: RepairResult[];
}

/**
 * Options of removals. A call that is aborted while it waits for locks changes nothing. After the removal is recorded,
 * an abort rejects the call at once, and the removal continues in the background, or with the next reconciliation.
 */
export interface RemoveOptions {
  signal?: AbortSignal;
}

/** A handle of an interface. */
export interface Interface {
  readonly uuid: string;
  /** Information as of the last call through this handle. */
  readonly info: InterfaceInfo;
  /** Reads `info` again. @throws NotFoundError */
  refresh(): Promise<InterfaceInfo>;
  /** Reads the counters. @throws ConflictError if the interface is on another node of the cluster */
  counters(): Promise<InterfaceCounters>;
  /**
   * Adds a floating address to the interface and resolves to it. Default: a random free one. If `signal` is aborted,
   * the address is released again.
   * @throws ConflictError if the network has no NAT, or the interface has another floating address
   */
  float(options?: { address?: string; signal?: AbortSignal }): Promise<string>;
  /**
   * Removes the floating address, and its connections from conntrack. Does nothing if there is none.
   * @see RemoveOptions
   */
  defloat(options?: RemoveOptions): Promise<void>;
  /** Removes the interface. Does nothing if it does not exist. @see RemoveOptions */
  detach(options?: RemoveOptions): Promise<void>;
  /** Replaces the metadata. */
  setMetadata(metadata: Record<string, Json>): Promise<void>;
}

/** A handle of a network. */
export interface Network {
  readonly uuid: string;
  /** Information as of the last call through this handle. */
  readonly info: NetworkInfo;
  /** Reads `info` again. @throws NotFoundError */
  refresh(): Promise<NetworkInfo>;
  /** Reads the counters of the network on this node. */
  counters(): Promise<NetworkCounters>;
  /**
   * Connects a new tap, a container or a device of the host. Concurrent calls of a process are limited to 32, without
   * those that wait for dnsmasq or for other nodes. Further calls wait in order; an abort of their signal ends the
   * wait.
   */
  attach(options: AttachOptions): Promise<Interface>;
  /**
   * Returns the interface with this tap, device, or name in this namespace; attaches it if it does not exist.
   * Concurrent calls of any processes attach it once. An existing interface must be in this network and match all given
   * options except `metadata`.
   * @throws DifferenceError for the first option that differs; ConflictError if the namespace or device of the existing
   *   interface is gone, even if another one has its path or name: detach the interface first
   */
  ensureInterface(options: AttachOptions): Promise<Interface>;
  listInterfaces(): Promise<InterfaceInfo[]>;
  listAddresses(): Promise<AddressInfo[]>;
  /** Routes an address of the floating network into the network and resolves to it. Default: a random free one. */
  routeAddress(options?: { address?: string; signal?: AbortSignal }): Promise<string>;
  /**
   * Removes the route of `routeAddress`.
   * @throws NotFoundError if the address is not routed into the network.
   * @see RemoveOptions
   */
  unrouteAddress(address: string, options?: RemoveOptions): Promise<void>;
  /**
   * Sends one ICMP echo request from the namespace of the network. Resolves to the round-trip time in milliseconds;
   * undefined without a reply. `timeout` is in milliseconds, default 1000.
   */
  ping(address: string, options?: { timeout?: number; signal?: AbortSignal }): Promise<number | undefined>;
  /** Replaces the metadata. */
  setMetadata(metadata: Record<string, Json>): Promise<void>;
  /** Detaches all interfaces, releases all addresses and removes the network. @see RemoveOptions */
  delete(options?: RemoveOptions): Promise<void>;
}

/** An opened host. A handle of a network or an interface is returned after one read of its record. */
export interface Host extends AsyncDisposable {
  /** Information as of the last `refresh`, or of the opening. */
  readonly info: HostInfo;
  /** Reads `info` again. */
  refresh(): Promise<HostInfo>;
  /**
   * Creates a network.
   * @throws ConflictError if another network of the tenant has the name, or the UUID or VNI is in use
   */
  createNetwork(options: CreateNetworkOptions): Promise<Network>;
  /**
   * Returns the network with this UUID, or with this name; creates it if it does not exist. Concurrent calls of any
   * processes create it once. An existing network must match all given options except `metadata`.
   * @throws DifferenceError for the first option that differs
   */
  ensureNetwork(options: CreateNetworkOptions): Promise<Network>;
  /** Finds a network by UUID or name. @throws NotFoundError, ConflictError if several networks have the name */
  getNetwork(idOrName: string): Promise<Network>;
  listNetworks(): Promise<NetworkInfo[]>;
  /** Finds an interface by UUID, or by the name of its link in the namespace of the host. @throws NotFoundError */
  getInterface(idOrDevice: string): Promise<Interface>;
  listInterfaces(): Promise<InterfaceInfo[]>;
  /**
   * Makes the kernel and dnsmasq match the records. Resolves to one result for each repair, also with `dryRun`; empty
   * if nothing differs.
   */
  reconcile(options?: ReconcileOptions): Promise<RepairResult[]>;
  /**
   * Accepts the present contents of the store of a cluster, after it was restored from an older snapshot or has lost
   * records (reported in `HostInfo.warnings` and by `/healthz`). Nodes then remove the objects without a record.
   * @throws ConflictError on a lone host
   */
  acceptStore(): Promise<void>;
  /**
   * Removes a node from the cluster that is gone for good: the other nodes do not send to its VTEP any more. With `detach`, its
   * interfaces are detached as well. If its agent starts again, it joins as a new node.
   * @throws NotFoundError, ConflictError for the network node, for a member, for a node with interfaces without `detach`,
   *   and on a lone host
   */
  removeNode(name: string, options?: { detach?: boolean }): Promise<void>;
  /**
   * Reconciles after each change of the kernel, until the watch or the host is closed. Keeps one socket for each
   * network open. Resolves when no later change can be missed.
   */
  watchDrift(options?: DriftWatchOptions): Promise<DriftWatch>;
  /**
   * Iterates over the events of all processes of this host, from the call on. The journal in the state folder keeps the
   * last 8 MiB, which `history` and `after` read.
   */
  events(options?: EventOptions): AsyncIterableIterator<HostEvent, undefined, undefined>;
  /**
   * Resolves when all links that are marked for deletion are deleted.
   * @throws RemovalError if one could not be deleted
   */
  drained(): Promise<void>;
  /**
   * Removes the objects of the host itself (egress bridge, rules) and its record. A node of a cluster leaves the
   * cluster.
   * @throws ConflictError while networks exist (on a hypervisor node: while interfaces are attached there), or if
   *   another process is the agent of the node
   */
  teardown(): Promise<void>;
  /**
   * Waits for running calls, then frees threads, sockets and the store. Networks keep running. `await using` calls it.
   */
  close(): Promise<void>;
}
