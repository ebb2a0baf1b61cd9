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
  up?: boolean;
  /** Free text shown by `ip link`, up to 255 bytes. Taken by `link.set` only: the kernel ignores it on creation. */
  alias?: string;
  /** Namespace in which the link is created, or into which it is moved. */
  netns?: NamespaceRef;
  txQueueLength?: number;
  /** Number of transmit and receive queues. On creation only. */
  txQueues?: number;
  rxQueues?: number;
  /** IPv4 settings of this device (`net.ipv4.conf.<device>`); taken by `link.set` only. */
  inet?: Inet4Settings;
  /** IPv6 settings of this device; taken by `link.set` only. */
  inet6?: Inet6Settings;
}

/** Per-device IPv4 settings, IFLA_INET_CONF (kernel Documentation/networking/ip-sysctl.rst). */
export interface Inet4Settings {
  forwarding?: number;
  rpFilter?: number;
  arpIgnore?: number;
  arpAnnounce?: number;
  arpNotify?: number;
  arpAccept?: number;
  arpFilter?: number;
  proxyArp?: number;
  acceptLocal?: number;
  routeLocalnet?: number;
  sendRedirects?: number;
  acceptRedirects?: number;
}

export interface Inet6Settings {
  /** How the link-local address is made; `none`: not at all. */
  addressGeneration?: 'eui64' | 'none' | 'stable-privacy' | 'random';
}
