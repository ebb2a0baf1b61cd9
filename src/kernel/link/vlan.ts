/** The frames of another link that have a tag (ip-link(8), `type vlan`). */
export interface VlanOptions {
  /** 0 to 4094. */
  id: number;
  /** `802.1Q` if absent. */
  protocol?: '802.1Q' | '802.1ad';
  /** Switches; those that are absent are left as they are. */
  flags?: {
    reorderHeader?: boolean;
    gvrp?: boolean;
    looseBinding?: boolean;
    mvrp?: boolean;
    bridgeBinding?: boolean;
  };
}
