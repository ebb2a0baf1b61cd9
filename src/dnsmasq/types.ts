/** What one network's dnsmasq is to do; plain data, so that the same wish gives the same files byte for byte. */
export interface DnsmasqConfig {
  network: string;
  /** The network's namespace. */
  netns: string;
  /** Inner veth; the only device it may serve. */
  device: string;
  netblock: string;
  gateway: string;
  broadcast: string;
  mtu: number;
  domain: string;
  provideDhcp: boolean;
  /** Without NAT: no default route and no resolver beyond the network. */
  provideNat: boolean;
  provideDns: boolean;
  dnsServers: string[];
  /** Seconds. */
  leaseTime: number;
  reservations: Reservation[];
}

export interface Reservation {
  mac: string;
  address: string;
  hostname?: string;
}
