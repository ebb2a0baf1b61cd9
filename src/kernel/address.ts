/** An address of a link (rtnetlink(7), RTM_NEWADDR). */
export interface Address {
  /** Index of the link. */
  index: number;
  /** With prefix length, for example `172.16.0.1/24` or `fd00::1/64`. */
  address: string;
  /** The other end of a point-to-point link. */
  peer?: string;
  broadcast?: string;
  label?: string;
  scope?: 'global' | 'site' | 'link' | 'host' | 'nowhere';
  /** Skip duplicate address detection (IPv6): the address is usable at once. */
  nodad?: boolean;
  /** Do not add the on-link route of the prefix. */
  noPrefixRoute?: boolean;
  /** Metric of that route. */
  priority?: number;
  /** Lifetimes in seconds; absent: for ever. */
  validLifetime?: number;
  preferredLifetime?: number;
  /** As reported: duplicate address detection is still running, or failed. */
  tentative?: boolean;
  dadFailed?: boolean;
  permanent?: boolean;
}
