import type { LinkAttributes } from './common.js';

/** veth(4). A peer cannot be created up; bring it up afterwards from inside its namespace. */
export interface VethOptions {
  peer: LinkAttributes;
}
