import type { NamespaceRef } from '../../kernel/namespace.js';
import type { ReconcileProgress } from './reconciliation.js';

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
   * A call that changes something returns when its change is on disk. Default true. With false, the last seconds before
   * a failure of the machine (power, kernel) may be lost; the state is consistent in any case. A change survives the end
   * of the process in any case. As `synchronous_commit` of PostgreSQL.
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
   * Reconcile all networks in the background (see `Host.repaired`), and supervise every dnsmasq. Default true. With
   * false, an existing host is opened without any change, for example to read its state.
   */
  repair?: boolean;
  /** Change recorded settings to the given values, for all processes. Default false. */
  updateSettings?: boolean;
  /** Called after each network that is reconciled because of the opening. */
  onProgress?: (progress: ReconcileProgress) => void;
  /**
   * Aborts the call. The objects and records of a new host are removed again. Later, it ends the reconciliation in the
   * background after the networks that are being reconciled.
   */
  signal?: AbortSignal;
}
