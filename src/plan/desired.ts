import type { NamespaceRef } from '../kernel/namespace.js';
import type { TapSpec } from '../kernel/operation.js';

/*
 * The desired state as plain data: the complete input of the planners. Indexes and MACs are chosen beforehand and
 * recorded, so that the same desired state gives the same operations. These are types, not interfaces, because they are
 * stored as JSON.
 */

/** Indexes of a veth pair: the end on the host and the end in the other namespace. */
export type Pair = {
  outer: number;
  inner: number;
};

export type DesiredHost = {
  /** A hypervisor node has no egress bridge. Default `network`. */
  role?: 'network' | 'hypervisor' | undefined;
  /** Network namespace that represents the host. Default: the namespace of the process. */
  netns?: NamespaceRef | undefined;
  /** Absolute path of the state folder of a new host; in the alias of the egress bridge, for those who lose it. */
  stateDir?: string | undefined;
  egressNic: string;
  /** NIC of the mesh, if it is not the egress NIC. Instances can't send through it. */
  meshNic?: string | undefined;
  egressBridge: { name: string; index: number; mac: string };
  /** MTU of the egress bridge and of its ports, in bytes. */
  egressMtu: number;
  /** CIDR. */
  floatingNetwork: string;
  /** Name of the floating pool with this network. Clusters only. */
  floatingPool?: string | undefined;
  /** Address of the egress bridge: the first host address of the floating network. */
  floatingAddress: string;
  outboundNat: boolean;
  /** Instances may reach the metadata services of clouds. */
  allowMetadata?: boolean | undefined;
  /** Sets `net.bridge.bridge-nf-call-iptables` to 0. */
  disableBridgeNetfilter?: boolean | undefined;
  vxlanPort: number;
  /** The kernel can complete the checksums of DHCP replies. */
  fillChecksums?: boolean | undefined;
  /** False if the kernel was started without IPv6. Default true. */
  ipv6?: boolean | undefined;
  /** Egress passes only during a lease, because another node takes over after it. Default false. */
  fence?: boolean | undefined;
};

/** Present state of the mesh NIC. */
export type Underlay = {
  index: number;
  /** Local VTEP address, IPv4 or IPv6. Absent while the NIC has no address. */
  address?: string | undefined;
  /** Range of UDP source ports (`ip link add type vxlan srcport`). Default: the kernel's choice. */
  sourcePorts?: { low: number; high: number } | undefined;
  /** Don't-fragment bit of VXLAN packets (`ip link add type vxlan df`). Default `unset`. */
  df?: 'unset' | 'set' | 'inherit' | undefined;
  /** VXLAN links learn MAC addresses. Not needed with ARP suppression. Default true. */
  learning?: boolean | undefined;
  /** TX checksum offload of VXLAN links (`ethtool -K tx-checksum-ip-generic`). Default true. */
  txChecksum?: boolean | undefined;
};

export type DesiredNetwork = {
  uuid: string;
  /** Name and tenant are in an alias inside the network's namespace, from which `adopt` reads them. */
  name?: string;
  tenant?: string;
  vni: number;
  netblock: string;
  gateway: string;
  mtu: number;
  provideDhcp: boolean;
  provideDns: boolean;
  /** Node that routes the network: its namespace is there. Absent on a lone host, and in records of earlier versions. */
  router?: string;
  /** Node that is about to become the router: it has the namespace already, without a connection. */
  standby?: { node: string };
  /** The namespace is not connected: this node is the standby. Not recorded. */
  isClosed?: boolean;
  /** The network has, or has had, a pool of slots. */
  hasSlots?: true | undefined;
  /** Index of `vxlan-…`. */
  vxlan: number;
  bridge: { index: number; mac: string };
  /**
   * The pair `veth-…` between the overlay bridge and the network's namespace. The MAC is that of the gateway and
   * survives a rebuild.
   */
  inner: Pair & { mac: string };
  /**
   * The pair `egr-…` between the egress bridge and the network's namespace, with the address of the floating gateway.
   * Only with NAT.
   */
  egress?: (Pair & { address: string }) | undefined;
};

/** Attachment of an instance. */
export type DesiredAttachment =
  | ({ kind: 'tap'; index: number } & Pick<TapSpec, 'name' | 'owner' | 'multiQueue'>)
  | {
      kind: 'veth';
      /** Index of the host's end. */
      index: number;
      /** Namespace of the container. */
      netns: NamespaceRef;
      /**
       * Identity of that namespace at the time of the attachment. A different namespace with the same name is left
       * alone.
       */
      identity?: string | undefined;
      innerName: string;
      innerIndex: number;
      configure: boolean;
      /** The namespace is created and deleted with the interface. */
      isOwned?: true | undefined;
      /**
       * Metric of the default route, if the container had a default route with the metric of `order` before the
       * attachment.
       */
      metric?: number | undefined;
      guest?: DesiredGuest | undefined;
    }
  | {
      kind: 'device';
      name: string;
      index: number;
      /**
       * The device's own MAC. No instance of the network may have it. It identifies the device after it was removed and
       * plugged in again.
       */
      mac?: string | undefined;
      /**
       * State before the attachment, which detach restores. `group` and `ipv6` are absent, and are left alone, for
       * attachments of earlier versions and where the kernel has no IPv6.
       */
      before: { mtu: number; up: boolean; group?: number; ipv6?: boolean };
    };

/**
 * A virtual machine behind an interface. It was restored from a snapshot, so that many guests have the same MAC, address
 * and tap name. The namespace of the interface translates between the guest's address and that of the interface.
 */
export type DesiredGuest = {
  tap: { index: number } & Pick<TapSpec, 'name' | 'owner' | 'multiQueue'>;
  mac: string;
  address: string;
  /** The guest's gateway. Its MAC is derived from it, because the guest remembers it. */
  gateway: string;
};

export type DesiredInterface = {
  /** UUID and model are in the alias of the link, from which `adopt` reads them. */
  uuid?: string;
  model?: string;
  attachment: DesiredAttachment;
  mac: string;
  address: string;
  /** Position in the instance. The default route of the first NIC is preferred. */
  order: number;
  /** Anti-spoofing: the interface may send from its own MAC and addresses only. Absent: from any. */
  guard?: { allowedAddresses: string[] } | undefined;
  /** No other instance of the network has ever used the address, so that no neighbour can remember another MAC for it. */
  isFirstOwner?: boolean | undefined;
  /** Present for an interface of a pool. Nothing passes the port of a free one. */
  slot?: { isFree: boolean } | undefined;
  /**
   * While the interface is moved to another node, nothing passes its port here. `inactive`: the MAC is on another node.
   * `closing`: it is here still. Absent: the port is open.
   */
  binding?: 'inactive' | 'closing' | undefined;
};

export type DesiredFloatingIp = {
  address: string;
  /** Indexes of the pair `flt-…`. */
  pair: Pair;
  /** Address of the instance in its network. */
  target: string;
};
