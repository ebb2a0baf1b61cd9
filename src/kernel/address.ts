/** An IP address of a link (rtnetlink(7), RTM_NEWADDR). Like `ip address`. */
export interface Address {
  /** Interface index of the link. */
  index: number;
  /** Address with prefix length, for example `172.16.0.1/24` or `fd00::1/64`. */
  address: string;
  /** Peer address of a point-to-point link. */
  peer?: string;
  /** Broadcast address (IFA_BROADCAST), IPv4 only. None by default. */
  broadcast?: string;
  /**
   * Label (IFA_LABEL), IPv4 only: the name of the link, optionally followed by `:` and more. Default: the name of the
   * link.
   */
  label?: string;
  /** Scope. Default `global`. */
  scope?: 'global' | 'site' | 'link' | 'host' | 'nowhere';
  /** Skips duplicate address detection, IPv6 only: the address is usable at once. */
  nodad?: boolean;
  /** Does not add the on-link route of the prefix. */
  noPrefixRoute?: boolean;
  /** Metric of the on-link route. */
  priority?: number;
  /** Lifetimes in seconds. Default: unlimited. */
  validLifetime?: number;
  preferredLifetime?: number;
  /** Origin of the address, a number chosen by the user (IFA_PROTO, Linux 5.18). */
  protocol?: number;
  /** Usable during duplicate address detection, IPv6 only. */
  optimistic?: boolean;
  /** Home address of a mobile node (RFC 6275), IPv6 only. */
  homeAddress?: boolean;
  /** The kernel derives temporary addresses from it (RFC 8981). */
  manageTemporary?: boolean;
  /** Joins the group of a multicast address. */
  joinMulticast?: boolean;
  /** Read-only: duplicate address detection is in progress (`tentative`), or has failed (`dadFailed`). */
  tentative?: boolean;
  dadFailed?: boolean;
  permanent?: boolean;
  /** Read-only: the preferred lifetime has expired. New connections do not use it. */
  deprecated?: boolean;
  /** Read-only: not the primary address of its prefix; in IPv6, a temporary address. */
  secondary?: boolean;
  stablePrivacy?: boolean;
}
