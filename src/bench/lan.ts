/** The bridge and addressing that the verification of a contender's interfaces expects. */
export interface Lan {
  bridge: string;
  gateway: string;
  /** Prefix length of the instances' addresses. */
  prefix: number;
  /** An address outside that the instances reach through the contender's NAT. Absent without NAT. */
  outside?: string;
  /** Parts of the configuration that the contender does not make. The verification skips them. */
  without?: readonly ('loopback' | 'default route')[];
}
