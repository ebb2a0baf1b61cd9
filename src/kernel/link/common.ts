import type { NamespaceRef } from '../namespace.js';

/** Attributes of all link kinds (rtnetlink(7), RTM_NEWLINK). */
export interface LinkAttributes {
  /** Interface index, 1 to 2^31-1. Chosen by the kernel by default. */
  index?: number;
  /** Interface name: 1 to 15 bytes without `/`, `:`, `%` and white space, not `.` or `..`. */
  name?: string;
  /** Maximum transmission unit in bytes. */
  mtu?: number;
  /** MAC address, for example `02:00:00:bd:cd:9b`. */
  address?: string;
  /** Index of the lower link in the namespace of the operation. On creation only. */
  link?: number;
  /** Index of the master (a bridge or VRF) of which this link is a port; 0 for none. */
  master?: number;
  /** Device group, 32 bits. Default 0. */
  group?: number;
  /** Administrative state (IFF_UP). Default down. */
  up?: boolean;
  /** Alias shown by `ip link`, up to 255 bytes. For `link.set` only: the kernel ignores it on creation. */
  alias?: string;
  /** Namespace in which the link is created, or to which it is moved. */
  netns?: NamespaceRef;
  /** Transmit queue length in packets (`txqueuelen`). */
  txQueueLength?: number;
  /** Number of transmit queues. On creation only. */
  txQueues?: number;
  /** Number of receive queues. On creation only. */
  rxQueues?: number;
  /** IPv4 settings of the link (`net.ipv4.conf.<device>`). For `link.set` only. */
  inet?: Inet4Settings;
  /** IPv6 settings of the link. For `link.set` only. */
  inet6?: Inet6Settings;
}

/**
 * IPv4 settings of a link, IFLA_INET_CONF (kernel Documentation/networking/ip-sysctl.rst). Like `sysctl
 * net.ipv4.conf.<device>`.
 */
export interface Inet4Settings {
  /** 1: forwards packets. */
  forwarding?: number;
  /** Reverse path filter: 0 off, 1 strict, 2 loose. */
  rpFilter?: number;
  /** Addresses for which ARP requests are answered: 0 any local address, 1 addresses of this link, …, 8 none. */
  arpIgnore?: number;
  /** Source of ARP requests: 0 any local address, 1 preferably of the target's subnet, 2 the best one of this link. */
  arpAnnounce?: number;
  /** 1: sends gratuitous ARP when the link comes up or its MAC address changes. */
  arpNotify?: number;
  /** 1: creates entries from gratuitous ARP. */
  arpAccept?: number;
  /** 1: answers ARP only if the route to the sender uses this link. */
  arpFilter?: number;
  /** 1: proxy ARP for addresses that are reachable through other links. */
  proxyArp?: number;
  /** 1: accepts packets with local source addresses. */
  acceptLocal?: number;
  /** 1: routes 127.0.0.0/8. */
  routeLocalnet?: number;
  /** 1: sends, or accepts, ICMP redirects. */
  sendRedirects?: number;
  acceptRedirects?: number;
}

/** IPv6 settings of a link (kernel Documentation/networking/ip-sysctl.rst). */
export interface Inet6Settings {
  /** Mode of link-local address generation (`addrgenmode`). */
  addressGeneration?: 'eui64' | 'none' | 'stable-privacy' | 'random';
}
