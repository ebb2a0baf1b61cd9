import type { Address } from './address.js';
import type { ConnectionTuple } from './connection.js';
import type { BridgePortOptions, LinkChanges, LinkSpec } from './link/index.js';
import type { NamespaceRef } from './namespace.js';
import type { Neighbour } from './neighbour.js';
import type { NftCommand } from './nftables/index.js';
import type { Route } from './route.js';
import type { Rule } from './rule.js';
import type { FilterRef, FilterSpec, QdiscRef, QdiscSpec } from './traffic.js';

/** Names a link by index (preferred: costs no look-up) or by name. */
export type LinkRef = { index: number } | { name: string };

/** How an object is written: fail if it exists, make it so whatever exists, or add beside what exists. */
export type WriteMode = 'create' | 'replace' | 'append';

interface In {
  /** Where it happens; the process's own namespace if absent. */
  netns?: NamespaceRef | undefined;
}

/** One thing to be done in the kernel. Plain data, so that plans can be compared, printed and stored. */
export type Operation =
  /** EEXIST if the name or the index is taken; EOPNOTSUPP if the kernel lacks the kind. */
  | (In & { op: 'link.add'; link: LinkSpec })
  /**
   * A roll-back restores what the link was before: `undo` or, if absent, what the kernel says in the same send. A link that
   * was moved to another namespace is moved back, with its index, master, settings and state; addresses and routes, which it
   * lost on the way, are not restored. With `netns`, `index` is the link's index there (Linux 5.13).
   */
  | (In & { op: 'link.set'; link: LinkRef; changes: LinkChanges; undo?: LinkChanges })
  /** By group: every link of the group in one message, which waits for the kernel only once. */
  | (In & { op: 'link.delete'; link: LinkRef | { group: number } })
  /** Options of a link within the bridge whose port it is. */
  | (In & { op: 'link.port'; index: number; port: BridgePortOptions })
  /** Whether the link's driver computes checksums of what is sent (ethtool(8), `-K … tx`). */
  | (In & { op: 'link.offload'; index: number; txChecksum: boolean })
  /**
   * Whether the link has nothing of IPv6: no address, and what comes in is dropped. A link for which the kernel has no such
   * setting, as it was started without IPv6, is left as it is.
   */
  | (In & { op: 'link.ipv6'; index: number; disabled: boolean })
  /** `replace` changes lifetimes and metric of one that exists; addresses are told apart with their prefix length. */
  | (In & { op: 'address.add'; address: Address; mode?: 'create' | 'replace' })
  | (In & { op: 'address.delete'; address: Pick<Address, 'index' | 'address'> })
  /** `append` puts it behind others of the same destination, `replace` in the place of the first. */
  | (In & { op: 'route.add'; route: Route; mode?: WriteMode })
  /** The first that has everything given. */
  | (In & { op: 'route.delete'; route: Route })
  | (In & { op: 'rule.add'; rule: Rule })
  /** The first that has everything given. */
  | (In & { op: 'rule.delete'; rule: Rule })
  /**
   * `append`: one more VTEP of the same MAC address. A roll-back deletes what was created; with `undo` also what took another's
   * place: for entries that the kernel may have learned before.
   */
  | (In & { op: 'neighbour.add'; neighbour: Neighbour; mode?: WriteMode; undo?: 'delete' })
  | (In & { op: 'neighbour.delete'; neighbour: Neighbour })
  /** Traffic control: a queueing discipline takes the place of the kernel's own, which is back when it is deleted. */
  | (In & { op: 'qdisc.add'; qdisc: QdiscSpec; mode?: 'create' | 'replace' })
  | (In & { op: 'qdisc.delete'; qdisc: QdiscRef })
  | (In & { op: 'filter.add'; filter: FilterSpec; mode?: 'create' | 'replace' })
  /** One, or all of a place, priority and protocol. */
  | (In & { op: 'filter.delete'; filter: FilterRef })
  /** `key` is a path below /proc/sys/net, for example `ipv4/ip_forward`. */
  | (In & { op: 'sysctl.set'; key: string; value: string | number })
  /** EBUSY if the name is taken. The device stays until it is deleted. */
  | (In & { op: 'tap.add'; tap: TapSpec })
  /** Creates a namespace and pins it as /run/netns/`name`, as `ip netns add` does. */
  | { op: 'namespace.add'; name: string }
  /** Takes the pin away. What is in the namespace goes when nobody is left inside, which the kernel does later. */
  | { op: 'namespace.delete'; name: string }
  /**
   * One atomic batch. A roll-back takes back rules that were added or inserted, and what had to be new (`exclusive`); it
   * can't bring back what the batch deleted or replaced.
   */
  | (In & { op: 'nftables.batch'; commands: NftCommand[] })
  /** Forgets the connections that match every given field, in either direction. */
  | (In & { op: 'conntrack.delete'; filter: ConntrackFilter });

/** A persistent tap device, as a virtual machine monitor opens it (kernel Documentation/networking/tuntap.rst). */
export interface TapSpec {
  /** 1 to 15 bytes, as other links'. */
  name: string;
  /** `tap` carries Ethernet frames, `tun` IP packets. Default `tap`. */
  mode?: 'tap' | 'tun';
  /** Chosen by the kernel if absent. */
  index?: number;
  /** User and group id that may open it. */
  owner?: number;
  group?: number;
  /** It can be opened several times, once a queue. */
  multiQueue?: boolean;
  /** Packets start with a virtio-net header. */
  vnetHeader?: boolean;
}

/** Connections that fit in everything given; at least one of it must be. */
export interface ConntrackFilter {
  /** The source or destination of either direction. */
  address?: string;
  /** Set by rules (`ct mark`). */
  mark?: number;
  protocol?: ConnectionTuple['protocol'];
  /** The source or destination port of either direction. */
  port?: number;
  /** Of these, all have to fit the same direction. */
  source?: string;
  destination?: string;
  sourcePort?: number;
  destinationPort?: number;
  /** The only direction in which addresses and ports are looked for. */
  direction?: 'original' | 'reply';
  /** Zone of both directions or of one; 0 for connections that are in none. */
  zone?: number;
}

/** Everything that can be done. */
export type OperationName = Operation['op'];
