/**
 * Options of an IPVLAN (ip-link(8), `type ipvlan`), which shares the MAC address of its lower link. Like `ip link add …
 * type ipvlan`.
 */
export interface IpvlanOptions {
  /** Layer of the demultiplexing. Default `l3`. */
  mode?: 'l2' | 'l3' | 'l3s';
  /**
   * Communication between IPVLANs of one lower link: directly (`bridge`), not at all, or through an external switch
   * (`vepa`).
   */
  isolation?: 'bridge' | 'private' | 'vepa';
}
