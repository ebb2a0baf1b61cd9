/** The desired state of one network's dnsmasq, as plain data. */
export interface DnsmasqConfig {
  network: string;
  /** The network's namespace. */
  netns: string;
  /** Inner end of the network's veth pair. dnsmasq serves no other device. */
  device: string;
  netblock: string;
  gateway: string;
  broadcast: string;
  mtu: number;
  domain: string;
  provideDhcp: boolean;
  /** False: clients get no default route and no resolver outside the network. */
  provideNat: boolean;
  provideDns: boolean;
  dnsServers: string[];
  /** In seconds, the unit of dnsmasq's configuration. */
  leaseTime: number;
  reservations: Reservation[];
}

export interface Reservation {
  mac: string;
  address: string;
  hostname?: string;
}
