import type { NamespaceRef } from '../namespace.js';

/** Attributes that every kind of link has (rtnetlink(7), RTM_NEWLINK). */
export interface LinkAttributes {
  /** Interface index, 1 to 2^31-1. Chosen by the creator, or by the kernel if absent. */
  index?: number;
  /** 1 to 15 bytes, no `/`, no white space, not `.` or `..`. */
  name?: string;
  /** In bytes. */
  mtu?: number;
  /** MAC address, for example `02:00:00:bd:cd:9b`. */
  address?: string;
  /** Index of the link below, in the namespace where the operation is done. On creation only. */
  link?: number;
  /** Index of the bridge (or other master) this link is a port of; 0 takes it out. */
  master?: number;
  /** Device group, 32 bits; 0 is the default group. */
  group?: number;
  /** Whether it is in service (IFF_UP); down if absent on creation. */
  up?: boolean;
  /** Free text shown by `ip link`, up to 255 bytes. Taken by `link.set` only: the kernel ignores it on creation. */
  alias?: string;
  /** Namespace in which the link is created, or into which it is moved. */
  netns?: NamespaceRef;
  /** In packets. */
  txQueueLength?: number;
  /** Number of transmit and receive queues. On creation only. */
  txQueues?: number;
  /** As `txQueues`. */
  rxQueues?: number;
  /** IPv4 settings of this device (`net.ipv4.conf.<device>`); taken by `link.set` only. */
  inet?: Inet4Settings;
  /** IPv6 settings of this device; taken by `link.set` only. */
  inet6?: Inet6Settings;
}

/** Per-device IPv4 settings, IFLA_INET_CONF (kernel Documentation/networking/ip-sysctl.rst). */
export interface Inet4Settings {
  /** 1: packets that come in and are for others are passed on. */
  forwarding?: number;
  /** Packets whose source is not reached through this link are dropped: 0 never, 1 always, 2 if it is reached by none. */
  rpFilter?: number;
  /** Which addresses ARP requests are answered for: 0 any of the machine's, 1 those of this link, …, 8 none. */
  arpIgnore?: number;
  /** Source of ARP requests: 0 any address of the machine, 1 one of the target's subnet if there is, 2 the best of this link. */
  arpAnnounce?: number;
  /** 1: tells its address unasked when the link comes up or changes its MAC address. */
  arpNotify?: number;
  /** 1: entries are made of ARP packets that nobody asked for. */
  arpAccept?: number;
  /** 1: answers ARP only where the route to who asks leaves through this link. */
  arpFilter?: number;
  /** 1: answers ARP for addresses that are reached through another link. */
  proxyArp?: number;
  /** 1: takes packets whose source is an address of the machine itself. */
  acceptLocal?: number;
  /** 1: 127.0.0.0/8 may be routed. */
  routeLocalnet?: number;
  /** 1: ICMP redirects are sent, or heeded. */
  sendRedirects?: number;
  acceptRedirects?: number;
}

/** Per-device IPv6 settings (kernel Documentation/networking/ip-sysctl.rst). */
export interface Inet6Settings {
  /** How the link-local address is made; `none`: not at all. */
  addressGeneration?: 'eui64' | 'none' | 'stable-privacy' | 'random';
}
