/** IP addresses of their own on another link, whose MAC address they share (ip-link(8), `type ipvlan`). */
export interface IpvlanOptions {
  /** Where the packets are told apart. The kernel's own default is `l3`. */
  mode?: 'l2' | 'l3' | 'l3s';
  /** Whether those on the same link talk to each other directly (`bridge`), not at all, or through the network. */
  isolation?: 'bridge' | 'private' | 'vepa';
}
