import type { Json } from '../../store/store.js';

/** Options of a network. */
export interface CreateNetworkOptions {
  /** Name, unique within the tenant. */
  name: string;
  /** IPv4 CIDR, /8 to /29, without host bits. */
  netblock: string;
  /** Run a DHCP server. Default true. */
  provideDhcp?: boolean;
  /** Connect the network to the outside by NAT. Default true. */
  provideNat?: boolean;
  /** Run a DNS server for the names of the instances. Default false. */
  provideDns?: boolean;
  /** Default: a random UUID. */
  uuid?: string;
  /** VXLAN network identifier, 1 to 2^24-1. Default: a random free one. */
  vni?: number;
  /**
   * Address of the floating network that is the source address of the network outside, for example for firewall rules
   * there. Only with `provideNat`. Default: a random free one.
   */
  floatingGateway?: string;
  /** Clusters only: name of the network node that routes the network. Default: the one with the fewest used ports. */
  router?: string;
  /** Clusters only: floating pool of its addresses outside. Default: that of `router`, else `default`. */
  floatingPool?: string;
  /** MTU in bytes, at most that of the mesh NIC less 50. Default: this maximum. */
  mtu?: number;
  /** Owner of the network. Default: the `tenant` of the host. */
  tenant?: string;
  metadata?: Record<string, Json>;
  signal?: AbortSignal;
}
