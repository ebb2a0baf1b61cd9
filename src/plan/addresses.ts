import { addressToHex } from '../ipam/address.js';

/** `192.168.15.1` in `192.168.15.0/24` -> `192.168.15.1/24` */
export function withPrefixOf(cidr: string, address: string): string {
  return `${address}/${cidr.slice(cidr.indexOf('/') + 1)}`;
}

/**
 * MAC address of the owner of a floating network address. It is derived from the address, so that ARP entries on the
 * egress side stay valid when the address moves to another network.
 */
export const floatingMac = (address: string): string => macOf('02:f1', address);

/** MAC address of the gateway of a guest (see `DesiredGuest`). All guests of a snapshot have it in their ARP tables. */
export const guestGatewayMac = (gateway: string): string => macOf('02:f2', gateway);

/** `02:f1` and `192.168.15.29` -> `02:f1:c0:a8:0f:1d` */
const macOf = (prefix: string, address: string): string => `${prefix}:${addressToHex(address).match(/../g)?.join(':')}`;
