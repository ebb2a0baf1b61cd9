import { addressToHex } from '../ipam/address.js';

/** `192.168.15.1` in `192.168.15.0/24` -> `192.168.15.1/24` */
export function withPrefixOf(cidr: string, address: string): string {
  return `${address}/${cidr.slice(cidr.indexOf('/') + 1)}`;
}

/**
 * The MAC of whatever owns an address of the floating network. It follows from the address, so that an ARP entry held
 * anywhere on the egress side stays right when the address moves from one network to another.
 */
export function floatingMac(address: string): string {
  return `02:f1:${addressToHex(address).match(/../g)?.join(':')}`;
}
