/**
 * Options of a VRF (ip-link(8), `type vrf`), whose ports use a separate routing table. Like `ip link add … type vrf`.
 */
export interface VrfOptions {
  /** Id of the routing table. */
  table: number;
}
