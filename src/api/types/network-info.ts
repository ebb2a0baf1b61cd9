import type { Json } from '../../store/store.js';

/** Information about a network. */
export interface NetworkInfo {
  uuid: string;
  name: string;
  vni: number;
  netblock: string;
  gateway: string;
  provideDhcp: boolean;
  provideNat: boolean;
  provideDns: boolean;
  /** Absent without NAT. */
  floatingGateway?: string;
  mtu: number;
  tenant: string;
  state: 'initial' | 'created' | 'deleting';
  /** Name of the network node that routes the network. Absent on a lone host, as `floatingPool`. */
  router?: string;
  /** Name of the node to which the network is being moved. */
  standby?: string;
  floatingPool?: string;
  routedAddresses: string[];
  metadata: Record<string, Json>;
  /** Present while the store of a cluster cannot be reached: the information is as of this time (ISO 8601). */
  asOf?: string;
}

/** A reserved address of a network. An allowed address of several interfaces is listed once for each. */
export interface AddressInfo {
  address: string;
  use: 'network' | 'broadcast' | 'gateway' | 'interface' | 'allowed' | 'halo';
  interface?: string;
  mac?: string;
}
