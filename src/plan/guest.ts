import { addressBytes } from '../ipam/address.js';
import { hexBytes } from '../ipam/mac.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import { type Expression, match, nftTable, statement } from '../kernel/nftables/index.js';
import type { Operation } from '../kernel/operation.js';
import { guestGatewayMac } from './addresses.js';
import type { DesiredGuest, DesiredInterface, DesiredNetwork } from './desired.js';
import { addNeighbour } from './neighbours.js';
import { addRoute } from './route.js';

/*
 * A guest (see `DesiredGuest`) behind the interface of a namespace. The namespace is a router between the tap and the
 * interface. Connection tracking translates the addresses, also in ICMP errors and fragments. Proxy ARP answers the guest
 * for all other addresses, so that its gateway and its neighbours are reached through the network.
 */

const table = nftTable('ip', 'vethwork');
const ingress = nftTable('netdev', 'vethwork');
const { accept, counter, drop, translateDestination, translateSource, writeUdpPayload } = statement;

/** Offsets of fields of a DHCP message from the UDP header, in bytes (RFC 2131, section 2). */
const CIADDR = 20;
const YIADDR = 24;
const CHADDR = 36;

/** Matches a DHCP message between the ports 68 and 67, or back. */
const dhcp = (...ports: [source: number, destination: number]): Expression[] =>
  [match.udp(), match.bytes('transport', 0, 0, ports[0], 0, ports[1])].flat();

/** The namespace of an interface, and the link that connects it to the network, with its address and route. */
interface GuestPlace {
  netns: NamespaceRef;
  link: string;
}

/** Plans the tap of a guest, and the translation of its addresses. */
export function planGuest(
  place: GuestPlace,
  network: DesiredNetwork,
  nic: DesiredInterface,
  guest: DesiredGuest,
): Operation[] {
  const { netns } = place;
  const { tap, mac, address, gateway } = guest;
  const { index } = tap;
  return [
    { op: 'sysctl.set', netns, key: 'ipv4/ip_forward', value: 1 },
    { op: 'tap.add', netns, tap },
    {
      op: 'link.set',
      netns,
      link: { index },
      changes: {
        address: guestGatewayMac(gateway),
        mtu: network.mtu,
        inet: { forwarding: 1, proxyArp: 1, rpFilter: 2, sendRedirects: 0, acceptRedirects: 0 },
        inet6: { addressGeneration: 'none' },
      },
    },
    // Answers at once, instead of after a random delay of up to 0.8 s.
    { op: 'sysctl.set', netns, key: `ipv4/neigh/${tap.name}/proxy_delay`, value: 0 },
    translation(place, network, nic, guest),
    { op: 'link.set', netns, link: { index }, changes: { up: true } },
    addRoute(netns, { destination: `${address}/32`, index, scope: 'link' }),
    // The guest need not answer ARP before it is reachable.
    addNeighbour(netns, { index, destination: address, address: mac }),
    // Other gateways than that of the network have no owner in it. The guest reaches its gateway here.
    ...(gateway === network.gateway
      ? []
      : [{ op: 'address.add', netns, address: { index, address: `${gateway}/32` } } satisfies Operation]),
  ];
}

function translation(
  { netns, link }: GuestPlace,
  network: DesiredNetwork,
  nic: DesiredInterface,
  { tap, address, mac }: DesiredGuest,
): Operation {
  const fromGuest = match.inputInterface(tap.name);
  const fromOutside = match.inputInterface(link);
  const toOutside = match.outputInterface(link);
  return {
    op: 'nftables.batch',
    netns,
    commands: [
      ingress.add(),
      ...ingress.chain(
        'ingress',
        { type: 'filter', hook: 'ingress', device: tap.name, priority: 0, policy: 'accept' },
        // The guest may remember other MACs of its gateway and its neighbours, from where it was saved.
        { 'frames to any MAC are for this namespace': [match.toOtherHost(), statement.receive()] },
      ),
      table.add(),
      ...table.chain(
        'dstnat',
        { type: 'nat', hook: 'prerouting', priority: -100 },
        {
          'to the guest': [fromOutside, match.destinationAddress(nic.address), translateDestination(address)],
          // The server that the guest remembers may be that of another network.
          'DHCP servers': [fromGuest, match.udpPort(67), translateDestination(network.gateway)],
        },
      ),
      ...table.chain(
        'srcnat',
        { type: 'nat', hook: 'postrouting', priority: 100 },
        { 'from the guest': [toOutside, match.sourceAddress(address), translateSource(nic.address)] },
      ),
      ...table.chain(
        'forward',
        { type: 'filter', hook: 'forward', priority: 0, policy: 'accept' },
        {
          'requests of the DHCP client name the interface': [
            fromGuest,
            dhcp(68, 67),
            writeUdpPayload(CIADDR, addressBytes(nic.address)),
            writeUdpPayload(CHADDR, hexBytes(nic.mac)),
          ],
          'replies to the DHCP client name the guest': [
            fromOutside,
            dhcp(67, 68),
            writeUdpPayload(CIADDR, addressBytes(address)),
            writeUdpPayload(YIADDR, addressBytes(address)),
            writeUdpPayload(CHADDR, hexBytes(mac)),
          ],
          'from the address of the guest': [fromGuest, match.sourceAddress(address), accept()],
          'from other addresses': [fromGuest, counter(), drop()],
        },
      ),
    ],
  };
}
