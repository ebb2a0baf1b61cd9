/** Information about a host. */
export interface HostInfo {
  egressBridge: string;
  floatingNetwork: string;
  floatingAddress: string;
  /** The floating network is masqueraded. Otherwise, routers outside must have a route to it. */
  outboundNat: boolean;
  egressNic: string;
  meshNic: string;
  mtu: number;
  networks: number;
  interfaces: number;
  floatingAddresses: { total: number; used: number };
  /** Texts about problems that vethwork cannot solve by itself. Absent if there are none. */
  warnings?: string[];
  /** Present while the store of a cluster cannot be reached: the information is as of this time (ISO 8601). */
  asOf?: string;
  /** Name of this node. Absent on a lone host, as `role` and `nodes`. */
  node?: string;
  role?: 'network' | 'hypervisor';
  /** All nodes that are or were members of the cluster. */
  nodes?: NodeInfo[];
}

/** A node of a cluster. */
export interface NodeInfo {
  name: string;
  role: 'network' | 'hypervisor';
  /** `gone`: the lease of its agent has expired. The node stays part of the mesh, and its instances keep running. */
  state: 'member' | 'gone';
  /** Address of its VTEP. */
  address?: string;
  /** Largest MTU of a network that the node supports. */
  mtu?: number;
  /** Number of interfaces on the node. */
  interfaces: number;
  /** Network nodes only: number of networks that the node routes. */
  networks?: number;
  /** Network nodes only: ports of its egress bridge. Each network with NAT and each floating address uses one. */
  egressPorts?: { used: number; total: number };
  /** Network nodes only: name of the floating pool that the node serves. */
  floatingPool?: string;
  /** The node gets no further networks. */
  cordoned?: boolean;
}
