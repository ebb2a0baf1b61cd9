import { addressToHex } from '../ipam/address.js';

/** `192.168.15.1` in `192.168.15.0/24` -> `192.168.15.1/24` */
export function withPrefixOf(cidr: string, address: string): string {
  return `${address}/${cidr.slice(cidr.indexOf('/') + 1)}`;
}

/**
 * MAC address of the owner of a floating network address. It is derived from the address, so that ARP entries on the
 * egress side stay valid when the address moves to another network.
 */
export function floatingMac(address: string): string {
  return `02:f1:${addressToHex(address).match(/../g)?.join(':')}`;
}
