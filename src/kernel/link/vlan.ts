/** Options of a VLAN link (ip-link(8), `type vlan`). Like `ip link add … type vlan`. */
export interface VlanOptions {
  /** VLAN id, 0 to 4094. */
  id: number;
  /** VLAN protocol. Default `802.1Q`. */
  protocol?: '802.1Q' | '802.1ad';
  /** Flags. Absent ones are not changed. */
  flags?: {
    reorderHeader?: boolean;
    gvrp?: boolean;
    looseBinding?: boolean;
    mvrp?: boolean;
    bridgeBinding?: boolean;
  };
}
