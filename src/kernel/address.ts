/** An address of a link (rtnetlink(7), RTM_NEWADDR). */
export interface Address {
  /** Index of the link. */
  index: number;
  /** With prefix length, for example `172.16.0.1/24` or `fd00::1/64`. */
  address: string;
  /** The other end of a point-to-point link. */
  peer?: string;
  /** Of IPv4 (IFA_BROADCAST); none if absent. */
  broadcast?: string;
  /** Of IPv4: the link's name, or that with `:` and more (IFA_LABEL); the link's name if absent. */
  label?: string;
  /** Where it is valid; `global` if absent. */
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
  /** Who made it, a number of one's own (IFA_PROTO, Linux 5.18). */
  protocol?: number;
  /** Of IPv6: usable while duplicate address detection is still running. */
  optimistic?: boolean;
  /** Of IPv6: that of a mobile node at home (RFC 6275). */
  homeAddress?: boolean;
  /** The kernel makes temporary addresses of it. */
  manageTemporary?: boolean;
  /** Of a multicast address: joins it. */
  joinMulticast?: boolean;
  /** As reported: duplicate address detection is still running, or failed. */
  tentative?: boolean;
  dadFailed?: boolean;
  permanent?: boolean;
  /** Out of its preferred lifetime: for connections that there are, not for new ones. */
  deprecated?: boolean;
  /** Another address of the prefix is the first; of IPv6: temporary. */
  secondary?: boolean;
  stablePrivacy?: boolean;
}
