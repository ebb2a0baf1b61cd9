import type { BridgeOptions, BridgePortOptions } from './bridge.js';
import type { Inet4Settings, Inet6Settings, LinkAttributes } from './common.js';
import type { DummyOptions } from './dummy.js';
import type { IfbOptions } from './ifb.js';
import type { IpvlanOptions } from './ipvlan.js';
import type { MacvlanOptions } from './macvlan.js';
import type { TunReport } from './tun.js';
import type { VethOptions } from './veth.js';
import type { VlanOptions } from './vlan.js';
import type { VrfOptions } from './vrf.js';
import type { VxlanOptions } from './vxlan.js';

export type * from './bridge.js';
export type * from './common.js';
export type * from './dummy.js';
export type * from './ifb.js';
export type * from './ipvlan.js';
export type * from './macvlan.js';
export type * from './tun.js';
export type * from './veth.js';
export type * from './vlan.js';
export type * from './vrf.js';
export type * from './vxlan.js';

/** Link kinds that can be created, with their options. */
export interface LinkKinds {
  bridge: BridgeOptions;
  vxlan: VxlanOptions;
  veth: VethOptions;
  macvlan: MacvlanOptions;
  ifb: IfbOptions;
  dummy: DummyOptions;
  ipvlan: IpvlanOptions;
  vrf: VrfOptions;
  vlan: VlanOptions;
}

export type LinkKind = keyof LinkKinds;

/** Kinds that need a lower link, given as `link`. */
export type StackedLinkKind = 'macvlan' | 'ipvlan' | 'vlan';

/** A link to create. `data` is required if the kind has a required option. */
export type LinkSpec = {
  [Kind in LinkKind]: LinkAttributes & { name: string; kind: Kind } & (Record<string, never> extends LinkKinds[Kind]
      ? { data?: LinkKinds[Kind] }
      : { data: LinkKinds[Kind] }) &
    (Kind extends StackedLinkKind ? { link: number } : unknown);
}[LinkKind];

/** Changes of a link. `data` needs `kind`; the kernel decides which options can be changed. */
export type LinkChanges = LinkAttributes & {
  kind?: LinkKind;
  data?: Readonly<Record<string, unknown>>;
  /**
   * Options of the link as a port of its current bridge. Cannot be combined with `data`. They apply before the same
   * change brings the link up.
   */
  port?: BridgePortOptions;
};

/** A link, as reported by the kernel. Like an entry of `ip -d link`. */
export interface Link {
  index: number;
  name: string;
  /** Hardware type (ARPHRD_…): 1 is Ethernet, 772 loopback. */
  type: number;
  /** Flags (IFF_…, netdevice(7)). */
  flags: number;
  up: boolean;
  /** Link kind. Absent for `lo` and physical NICs. */
  kind?: string;
  data?: Partial<LinkKinds[LinkKind] | TunReport> & Record<string, unknown>;
  /** Kind of the master if the link is a port, and its port options. */
  portKind?: string;
  port?: BridgePortOptions & Record<string, unknown>;
  mtu: number;
  address?: string;
  broadcast?: string;
  master?: number;
  group: number;
  alias?: string;
  txQueueLength?: number;
  txQueues?: number;
  rxQueues?: number;
  /** Index of the peer or lower link, and the id of its namespace if it is in another one. */
  link?: number;
  linkNamespaceId?: number;
  /** Operational state (RFC 2863). */
  operationalState?: 'unknown' | 'not-present' | 'down' | 'lower-layer-down' | 'testing' | 'dormant' | 'up';
  carrier?: boolean;
  inet?: Inet4Settings;
  inet6?: Inet6Settings;
  /** State of `link.ipv6`; absent if the link has no IPv6. */
  ipv6Disabled?: boolean;
  [other: string]: unknown;
}
