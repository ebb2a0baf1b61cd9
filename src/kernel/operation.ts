import type { Address } from './address.js';
import type { ConnectionTuple, NewConnection } from './connection.js';
import type { BridgePortOptions, LinkChanges, LinkSpec } from './link/index.js';
import type { NamespaceRef } from './namespace.js';
import type { Neighbour } from './neighbour.js';
import type { NftCommand } from './nftables/index.js';
import type { Route } from './route.js';
import type { Rule } from './rule.js';
import type { FilterRef, FilterSpec, QdiscRef, QdiscSpec } from './traffic.js';

/** Refers to a link by index or by name. The index needs no look-up. */
export type LinkRef = { index: number } | { name: string };

/** `create` fails with EEXIST if the object exists, `replace` creates or replaces it, `append` adds another one. */
export type WriteMode = 'create' | 'replace' | 'append';

interface In {
  /** Namespace of the operation. Default: that of this process. */
  netns?: NamespaceRef | undefined;
}

/** An operation on the kernel. It is plain data that can be compared, printed and stored. */
export type Operation =
  /**
   * link.add: creates a link. Like `ip link add`. EEXIST if the name or the index is in use, EOPNOTSUPP if the kernel
   * lacks the kind.
   */
  | (In & { op: 'link.add'; link: LinkSpec })
  /**
   * link.set: changes attributes of a link. Like `ip link set`.
   *
   * A roll-back restores the previous values: those of `undo`, or, without it, those that the kernel reports in the
   * same send. A link that was moved to another namespace is moved back with its index, master, settings and state; its
   * addresses and routes, which the move removed, are not restored. With `changes.netns`, `changes.index` is the index
   * in the new namespace (Linux 5.13).
   */
  | (In & { op: 'link.set'; link: LinkRef; changes: LinkChanges; undo?: LinkChanges })
  /**
   * link.delete: deletes a link. Like `ip link delete`. With `group`, it deletes all links of a device group in one
   * message, which waits for the kernel (RCU) only once.
   */
  | (In & { op: 'link.delete'; link: LinkRef | { group: number } })
  /** link.port: changes options of a bridge port. Like `bridge link set`. */
  | (In & { op: 'link.port'; index: number; port: BridgePortOptions })
  /** link.offload: enables or disables the transmit checksum offload. Like `ethtool -K … tx on|off`. */
  | (In & { op: 'link.offload'; index: number; txChecksum: boolean })
  /**
   * link.ipv6: enables or disables IPv6 of a link: disabled, it has no address and drops IPv6 packets. Like `sysctl
   * net.ipv6.conf.<device>.disable_ipv6`. A link without this setting is left unchanged, because the kernel was started
   * without IPv6.
   */
  | (In & { op: 'link.ipv6'; index: number; disabled: boolean })
  /**
   * address.add: adds an address. Like `ip address add`. `replace` changes lifetimes and metric of an existing address
   * (`ip address replace`). The prefix length is part of the key.
   */
  | (In & { op: 'address.add'; address: Address; mode?: 'create' | 'replace' })
  /** address.delete: deletes an address. Like `ip address delete`. */
  | (In & { op: 'address.delete'; address: Pick<Address, 'index' | 'address'> })
  /**
   * route.add: adds a route. Like `ip route add`. `append` adds it after others with the same destination, `replace`
   * replaces the first of them.
   */
  | (In & { op: 'route.add'; route: Route; mode?: WriteMode })
  /** route.delete: deletes the first route that matches all given properties. Like `ip route delete`. */
  | (In & { op: 'route.delete'; route: Route })
  /** rule.add: adds a policy routing rule. Like `ip rule add`. */
  | (In & { op: 'rule.add'; rule: Rule })
  /** rule.delete: deletes the first rule that matches all given properties. Like `ip rule delete`. */
  | (In & { op: 'rule.delete'; rule: Rule })
  /**
   * neighbour.add: adds a neighbour or forwarding database entry. Like `ip neighbour add` and `bridge fdb add`.
   * `append` adds another VTEP to a MAC address (`bridge fdb append`). A roll-back deletes a created entry; with
   * `undo`, also one that replaced another, for entries that the kernel may have learnt before.
   */
  | (In & { op: 'neighbour.add'; neighbour: Neighbour; mode?: WriteMode; undo?: 'delete' })
  /** neighbour.delete: deletes a neighbour or forwarding database entry. Like `ip neighbour delete` and `bridge fdb delete`. */
  | (In & { op: 'neighbour.delete'; neighbour: Neighbour })
  /** qdisc.add: replaces the default queueing discipline, which deletion restores. Like `tc qdisc add`. */
  | (In & { op: 'qdisc.add'; qdisc: QdiscSpec; mode?: 'create' | 'replace' })
  /** qdisc.delete: deletes a queueing discipline. Like `tc qdisc delete`. */
  | (In & { op: 'qdisc.delete'; qdisc: QdiscRef })
  /** filter.add: adds a filter with its actions. Like `tc filter add`. */
  | (In & { op: 'filter.add'; filter: FilterSpec; mode?: 'create' | 'replace' })
  /** filter.delete: deletes one filter, or all filters of a parent, priority and protocol. Like `tc filter delete`. */
  | (In & { op: 'filter.delete'; filter: FilterRef })
  /**
   * sysctl.set: writes a sysctl. Like `sysctl -w`. `key` is a path below /proc/sys/net, for example `ipv4/ip_forward`.
   */
  | (In & { op: 'sysctl.set'; key: string; value: string | number })
  /** tap.add: creates a persistent tap or tun device. Like `ip tuntap add`. EBUSY if the name is in use. */
  | (In & { op: 'tap.add'; tap: TapSpec })
  /** namespace.add: creates a network namespace and pins it as /run/netns/`name`. Like `ip netns add`. */
  | { op: 'namespace.add'; name: string }
  /**
   * namespace.delete: removes the pin. Like `ip netns delete`. The kernel deletes the namespace later, when nothing
   * uses it.
   */
  | { op: 'namespace.delete'; name: string }
  /**
   * nftables.batch: commits commands atomically. Like `nft -f`. A roll-back deletes added and inserted rules and
   * `exclusive` objects; it cannot restore what the batch deleted or replaced.
   */
  | (In & { op: 'nftables.batch'; commands: NftCommand[] })
  /**
   * conntrack.add: creates connections. Like `conntrack -I`. All are tried; the error is that of the first failure.
   * `create` fails with EEXIST if a tuple of a connection is tracked, and deletes those that it has created. `replace`
   * deletes the connections that have one of the tuples first; after an error, the others stay. The namespace needs a rule that tracks connections, such as NAT.
   */
  | (In & { op: 'conntrack.add'; connections: NewConnection[]; mode?: 'create' | 'replace' })
  /** conntrack.delete: deletes tracked connections that match all given properties. Like `conntrack -D`. */
  | (In & { op: 'conntrack.delete'; filter: ConntrackFilter });

/** A persistent tap or tun device (kernel Documentation/networking/tuntap.rst). */
export interface TapSpec {
  /** Interface name, 1 to 15 bytes. */
  name: string;
  /** `tap` carries Ethernet frames, `tun` IP packets. Default `tap`. */
  mode?: 'tap' | 'tun';
  /** Interface index. Chosen by the kernel by default. */
  index?: number;
  /** User and group id that may open the device. */
  owner?: number;
  group?: number;
  /** Allows several queues, one per open file (IFF_MULTI_QUEUE). */
  multiQueue?: boolean;
  /** Packets have a virtio-net header (IFF_VNET_HDR). */
  vnetHeader?: boolean;
}

/** Selects connections that match all given properties. At least one is required. */
export interface ConntrackFilter {
  /** Source or destination address of either direction. */
  address?: string;
  /** Mark (`ct mark`). */
  mark?: number;
  protocol?: ConnectionTuple['protocol'];
  /** Source or destination port of either direction. */
  port?: number;
  /** These must all match the same direction. */
  source?: string;
  destination?: string;
  sourcePort?: number;
  destinationPort?: number;
  /** The only direction to match. Default: either. */
  direction?: 'original' | 'reply';
  /** Zone of both directions or of one; 0 for connections without a zone. */
  zone?: number;
}

/** Names of operations. */
export type OperationName = Operation['op'];
