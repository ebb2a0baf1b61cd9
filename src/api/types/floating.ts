/** A network that was moved to another network node. */
export interface MovedNetwork {
  /** UUID. */
  network: string;
  name: string;
  from: string;
  to: string;
}

/** An address of a floating pool that is in use. */
export interface FloatingAddressInfo {
  address: string;
  /** `gateway`: source address of a network with NAT. */
  use: 'gateway' | 'floating' | 'routed';
  /** Name of the floating pool; `default` on a lone host. */
  pool: string;
  /** UUID of its network. */
  network: string;
  /** UUID of its interface, for floating addresses. */
  interface?: string;
  /** Name of the network node that serves the address: routers outside must send its packets there. Absent on a lone host. */
  node?: string;
}
