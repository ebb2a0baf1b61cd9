import type { NamespaceRef } from '../kernel/namespace.js';
import type { TapSpec } from '../kernel/operation.js';

/*
 * What is wished for, as plain data: everything a planner needs to know. Indexes and MACs are chosen beforehand and
 * recorded, so that the same wish always gives the same plan. (Types, not interfaces: they are stored as JSON.)
 */

/** A veth pair by its indexes: the host's end and the end in the other namespace. */
export type Pair = {
  outer: number;
  inner: number;
};

export type DesiredHost = {
  /** A hypervisor node has no way to the outside: no egress bridge. Default `network`. */
  role?: 'network' | 'hypervisor' | undefined;
  /** The namespace that stands for the host; the process's own if absent. */
  netns?: NamespaceRef | undefined;
  egressNic: string;
  /** The NIC that carries the mesh, if it is another than the egress NIC: instances do not get out of it. */
  meshNic?: string | undefined;
  egressBridge: { name: string; index: number; mac: string };
  /** Of the egress bridge and everything in it. */
  egressMtu: number;
  /** CIDR. */
  floatingNetwork: string;
  /** The egress bridge's own address, the first of the floating network. */
  floatingAddress: string;
  outboundNat: boolean;
  /** Instances may reach the metadata services of clouds. */
  allowMetadata?: boolean | undefined;
  /** Bridged frames pass iptables as the host is, and are not to. */
  disableBridgeNetfilter?: boolean | undefined;
  vxlanPort: number;
  /** False where the kernel has no IPv6, as it was started without. Default true. */
  ipv6?: boolean | undefined;
};

/** The NIC that carries the mesh, as it is now. */
export type Underlay = {
  index: number;
  /** Local VTEP, IPv4 or IPv6; absent while the NIC has no address. */
  address?: string | undefined;
  /** UDP source ports of the mesh; the kernel's choice if absent. */
  sourcePorts?: { low: number; high: number } | undefined;
  /** Don't-fragment bit of the mesh's packets; `unset` if absent. */
  df?: 'unset' | 'set' | 'inherit' | undefined;
  /** VXLAN links learn where MACs are, which a mesh that knows does not need. Default true. */
  learning?: boolean | undefined;
  /** Default true. */
  txChecksum?: boolean | undefined;
};

export type DesiredNetwork = {
  uuid: string;
  vni: number;
  netblock: string;
  gateway: string;
  mtu: number;
  provideDhcp: boolean;
  provideDns: boolean;
  /** Index of `vxlan-…`. */
  vxlan: number;
  bridge: { index: number; mac: string };
  /** `veth-…`: between the overlay bridge and the namespace. The MAC is the gateway's, the same after a rebuild. */
  inner: Pair & { mac: string };
  /** `egr-…`: between the egress bridge and the namespace, with the floating gateway's address. Only with NAT. */
  egress?: (Pair & { address: string }) | undefined;
};

/** How an instance is connected. */
export type DesiredAttachment =
  | ({ kind: 'tap'; index: number } & Pick<TapSpec, 'name' | 'owner' | 'multiQueue'>)
  | {
      kind: 'veth';
      /** Host's end. */
      index: number;
      /** Of the container. */
      netns: NamespaceRef;
      /** The identity of that namespace when it was attached. Nothing is done in another one that is found there later. */
      identity?: string | undefined;
      innerName: string;
      innerIndex: number;
      configure: boolean;
    }
  | {
      kind: 'device';
      name: string;
      index: number;
      /** Its own MAC, which no instance of the network may have, and by which it is known when it is plugged in again. */
      mac?: string | undefined;
      /**
       * What it was like before, given back on detach. Group and whether it has IPv6 are absent where they were not looked at,
       * and are left alone then: of attachments that earlier versions made, and where the kernel has no IPv6.
       */
      before: { mtu: number; up: boolean; group?: number; ipv6?: boolean };
    };

export type DesiredInterface = {
  attachment: DesiredAttachment;
  mac: string;
  address: string;
  /** Position in its instance; the first NIC's default route is preferred. */
  order: number;
  /** The interface may speak with its own MAC and addresses only; absent: with any. */
  guard?: { allowedAddresses: string[] } | undefined;
};

export type DesiredFloatingIp = {
  address: string;
  /** The `flt-…` pair. */
  pair: Pair;
  /** The instance's own address. */
  target: string;
};
