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

/** MAC address of the gateway of a guest (see `DesiredGuest`). All guests of a snapshot have it in their ARP tables. */
export function guestGatewayMac(gateway: string): string {
  return floatingMac(gateway).replace('02:f1:', '02:f2:');
}
