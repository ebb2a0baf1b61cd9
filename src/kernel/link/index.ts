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

/** Every kind of link that can be created, with the options of each. */
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

/** Kinds whose links are on top of another one, which `link` names. */
export type StackedLinkKind = 'macvlan' | 'ipvlan' | 'vlan';

/** A link to create. `data` is required where the kind has a required option. */
export type LinkSpec = {
  [Kind in LinkKind]: LinkAttributes & { name: string; kind: Kind } & (Record<string, never> extends LinkKinds[Kind]
      ? { data?: LinkKinds[Kind] }
      : { data: LinkKinds[Kind] }) &
    (Kind extends StackedLinkKind ? { link: number } : unknown);
}[LinkKind];

/** What can be changed of a link. Its own options come with its kind; which of them can be changed is up to the kernel. */
export type LinkChanges = LinkAttributes & {
  kind?: LinkKind;
  data?: Readonly<Record<string, unknown>>;
  /**
   * Options of a link within the bridge that it is a port of already; not together with its own. They hold before the link
   * comes up by the same change.
   */
  port?: BridgePortOptions;
};

/** A link as the kernel reports it. */
export interface Link {
  index: number;
  name: string;
  /** ARPHRD_ type: 1 is Ethernet, 772 loopback. */
  type: number;
  /** IFF_ flags as reported (netdevice(7)). */
  flags: number;
  up: boolean;
  /** Absent for links without a kind, such as `lo` and physical NICs. */
  kind?: string;
  data?: Partial<LinkKinds[LinkKind] | TunReport> & Record<string, unknown>;
  /** Kind of the master, where this link is a port, and the port's options there. */
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
  /** Index of the peer or lower link, and the id of its namespace if that is another one. */
  link?: number;
  linkNamespaceId?: number;
  /** RFC 2863 operational state. */
  operationalState?: 'unknown' | 'not-present' | 'down' | 'lower-layer-down' | 'testing' | 'dormant' | 'up';
  carrier?: boolean;
  inet?: Inet4Settings;
  inet6?: Inet6Settings;
  /** As `link.ipv6` sets it; absent where the link has nothing of IPv6. */
  ipv6Disabled?: boolean;
  [other: string]: unknown;
}
