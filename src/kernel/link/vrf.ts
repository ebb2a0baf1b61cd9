/** Virtual routing and forwarding (ip-link(8), `type vrf`): its ports use a routing table of their own. */
export interface VrfOptions {
  /** Id of the routing table. */
  table: number;
}
