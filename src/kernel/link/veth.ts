import type { LinkAttributes } from './common.js';

/**
 * Options of a veth pair (veth(4)). Like `ip link add … type veth peer …`. A peer cannot be created in the up state:
 * bring it up afterwards, in its namespace.
 */
export interface VethOptions {
  peer: LinkAttributes;
}
