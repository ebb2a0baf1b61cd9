import { nftKey as key, match, type NftCommand, nftTable, statement } from '../kernel/nftables/index.js';
import type { Operation } from '../kernel/operation.js';
import type { DesiredHost, DesiredInterface, DesiredNetwork } from './desired.js';
import { EGRESS_PORTS, portGroup, VETHWORK_GROUPS } from './group.js';

/**
 * The anti-spoofing table (`nft list table bridge vethwork`). One table serves all bridges of the host, and has a
 * constant number of rules.
 * Frames from ports of a network are identified by the device group of the port. Frames to reserved addresses are
 * dropped. The host itself receives nothing from networks except ARP about addresses that it routes there.
 * From a guarded port, only ARP and IPv4 pass: from the interface's MAC, with its address, its allowed addresses, or an
 * address that is routed into the network. Messages of DHCP servers are dropped. IPv6 is dropped, router advertisements
 * included, because networks have no IPv6.
 * A DHCP server trusts the client MAC in a message, so this MAC must be the port's own. The rules state what a message
 * must contain; a truncated message does not match.
 */

const table = nftTable('bridge', 'vethwork');

/** Port -> VNI of its network. */
const GUARDED = { keyType: 'ifname', dataType: 'mark' } as const;
const MACS = { keyType: 'ifname . ether_addr' } as const;
const ADDRESSES = { keyType: 'ifname . ether_addr . ipv4_addr' } as const;
/** Client MACs that a port may use in DHCP messages. */
const CLIENTS = { keyType: 'ifname . ether_addr' } as const;
/** Addresses that are routed into a network, by VNI. */
const ROUTED = { keyType: 'mark . ipv4_addr' } as const;

/** Addresses that the host routes into a network: device group of the network's ports, and address. */
const ANSWERS = { keyType: 'devgroup . ipv4_addr' } as const;

/** Before the bridge forwards, and before connection tracking. */
const PRIORITY = -300;
/** DHCP messages per port and second, and the burst. A boot needs few messages, each repeated after seconds. */
const DHCP_RATE = { rate: 1, burst: 20 };

const { counter, drop, accept, clearMark, jump, goto, limit } = statement;
const { inputInterface, inputGroup, etherSource, source, arpMac, arpAddress, arpTarget, dhcpMac, mark } = key;
const fromOurPorts = match.inputGroup(VETHWORK_GROUPS.value, VETHWORK_GROUPS.mask);
const pass = () => [clearMark(), accept()].flat();
const refuse = () => [counter(), drop()].flat();

/**
 * Longest IPv4 packet that can hold a single DHCP message, in bytes. With UDP_SEGMENT (udp(7)), one packet may hold
 * several messages, and only the first is checked. All but the last have the same length, and dnsmasq reads none below
 * 240 bytes: two messages take 480 bytes, and the headers 28.
 */
const LONGEST_DHCP = 507;

/** Matches a complete BOOTP request of a client: ports 68 to 67, Ethernet (htype 1, hlen 6), not relayed (giaddr 0). */
const dhcpRequest = () =>
  [
    match.unfragmented(),
    match.lengthUpTo(LONGEST_DHCP),
    match.bytes('transport', 0, 0, 68, 0, 67),
    match.bytes('transport', 8, 1, 1, 6),
    match.bytes('transport', 32, 0, 0, 0, 0),
  ].flat();
/** Matches the port's own client MAC, within the port's rate. */
const dhcpOfItsOwn = () => key.isIn('clients', inputInterface, dhcpMac);
/** Matches a sender that has no address yet. */
const noAddress = () => match.sourceAddress('0.0.0.0');
/** Matches an ARP probe (RFC 5227): a request (operation 1) from 0.0.0.0. */
const arpProbe = () => [match.bytes('network', 6, 0, 1), match.bytes('network', 14, 0, 0, 0, 0)].flat();

/** Commands that create the table, without ports. */
export const guardTable = (): NftCommand[] => [
  table.add(),
  table.set('guarded', GUARDED),
  table.set('macs', MACS),
  table.set('addresses', ADDRESSES),
  table.set('routed', ROUTED),
  table.set('answers', ANSWERS),
  table.set('clients', { ...CLIENTS, expressions: limit(DHCP_RATE.rate, DHCP_RATE.burst) }),
  ...table.subchain('guard-dhcp', {
    'of a client without address': [dhcpRequest(), noAddress(), dhcpOfItsOwn(), pass()],
    'of a client with its address': [
      dhcpRequest(),
      key.isIn('addresses', inputInterface, etherSource, source),
      dhcpOfItsOwn(),
      pass(),
    ],
    'no request of a client, about another MAC, or too many': [refuse()],
  }),
  ...table.subchain('guard-udp', {
    'instances are no DHCP servers': [match.bytes('transport', 0, 0, 67), refuse()],
    'instances answer no DHCP clients': [match.bytes('transport', 2, 0, 68), refuse()],
    DHCP: [match.bytes('transport', 2, 0, 67), goto('guard-dhcp')],
  }),
  ...table.subchain('guard-own', {
    UDP: [match.udp(), jump('guard-udp')],
    'everything else': [pass()],
  }),
  ...table.subchain('guard', {
    // First, because most frames match.
    'IPv4 from its addresses': [
      match.etherType('ip'),
      match.wellFormed(),
      key.isIn('addresses', inputInterface, etherSource, source),
      goto('guard-own'),
    ],
    'the MAC is its own': [key.isNotIn('macs', inputInterface, etherSource), refuse()],
    UDP: [match.etherType('ip'), match.udp(), jump('guard-udp')],
    'IPv4 from addresses routed into the network': [
      match.etherType('ip'),
      match.wellFormed(),
      key.isIn('routed', mark, source),
      pass(),
    ],
    'ARP about its addresses': [
      match.etherType('arp'),
      key.isIn('addresses', inputInterface, arpMac, arpAddress),
      pass(),
    ],
    'ARP about addresses routed into the network': [
      match.etherType('arp'),
      key.isIn('macs', inputInterface, arpMac),
      key.isIn('routed', mark, arpAddress),
      pass(),
    ],
    // A probe for the address of a neighbour could make its DHCP client decline the address (RFC 5227, 2.1.1).
    'ARP probes for its addresses': [
      match.etherType('arp'),
      arpProbe(),
      key.isIn('addresses', inputInterface, arpMac, arpTarget),
      pass(),
    ],
    'ARP probes for addresses routed into the network': [
      match.etherType('arp'),
      arpProbe(),
      key.isIn('macs', inputInterface, arpMac),
      key.isIn('routed', mark, arpTarget),
      pass(),
    ],
    'everything else': [refuse()],
  }),
  ...table.chain(
    'prerouting',
    { type: 'filter', hook: 'prerouting', priority: PRIORITY, policy: 'accept' },
    {
      // Frames that the port's group_fwd_mask forwards. For other frames, this is one comparison.
      'reserved addresses': [match.multicast(), match.reservedDestination(), fromOurPorts, refuse()],
      // Cheaper than to look for the name of the port.
      'no instance is on the egress bridge': [match.inputGroup(EGRESS_PORTS), accept()],
      'ports of instances': [key.markBy('guarded', inputInterface), jump('guard')],
    },
  ),
  ...table.chain(
    'input',
    { type: 'filter', hook: 'input', priority: PRIORITY, policy: 'accept' },
    {
      'ARP replies for routed addresses': [
        match.etherType('arp'),
        match.arpReply(),
        key.isIn('answers', inputGroup, arpAddress),
        accept(),
      ],
      // A gratuitous ARP request: sender and target are the same address.
      'ARP announcements of routed addresses': [
        match.etherType('arp'),
        key.isIn('answers', inputGroup, arpAddress),
        key.isIn('answers', inputGroup, arpTarget),
        accept(),
      ],
      'nothing else of networks is for the host': [fromOurPorts, match.notInputGroup(EGRESS_PORTS), refuse()],
    },
  ),
];

export const guardTableRemoval = (): NftCommand[] => [table.delete()];

function elements(network: DesiredNetwork, device: string, { mac, address, guard }: DesiredInterface) {
  if (guard === undefined) return [];
  const addresses = [...new Set([address, ...guard.allowedAddresses])];
  return [
    { set: 'guarded', types: GUARDED, elements: [{ key: device, data: network.vni }] },
    { set: 'macs', types: MACS, elements: [{ key: [device, mac] }] },
    { set: 'clients', types: CLIENTS, elements: [{ key: [device, mac] }] },
    { set: 'addresses', types: ADDRESSES, elements: addresses.map((each) => ({ key: [device, mac, each] })) },
  ];
}

/**
 * Adds a port to the sets, if the interface is guarded. Must be done before the port is up (`nft add element bridge
 * vethwork`).
 */
export function guardPort(host: DesiredHost, network: DesiredNetwork, device: string, nic: DesiredInterface) {
  const commands = elements(network, device, nic).map(({ set, types, elements }) =>
    table.addElements(set, types, elements),
  );
  return commands.length === 0 ? [] : [batch(host, ...commands)];
}

/** Removes a port from the sets, for `Kernel.teardown`: a missing element does not keep the others. */
export function unguardPort(host: DesiredHost, network: DesiredNetwork, device: string, nic: DesiredInterface) {
  const commands = elements(network, device, nic).map(({ set, types, elements }) =>
    table.deleteElements(set, types, elements),
  );
  return commands.length === 0 ? [] : [batch(host, ...commands)];
}

/** Gives a port the full burst of DHCP messages again: an element has its own limit, which a new one does not have used. */
export function resetDhcpRate(host: DesiredHost, device: string, { mac, guard }: DesiredInterface): Operation[] {
  if (guard === undefined) return [];
  const element = [{ key: [device, mac] }];
  return [
    batch(host, table.deleteElements('clients', CLIENTS, element), table.addElements('clients', CLIENTS, element)),
  ];
}

/** Allows every interface of the network to use the address (`nft add element bridge vethwork routed`). */
export const allowRouted = (host: DesiredHost, { vni }: DesiredNetwork, address: string): Operation =>
  batch(host, table.addElements('routed', ROUTED, [{ key: [vni, address] }]));

export const disallowRouted = (host: DesiredHost, { vni }: DesiredNetwork, address: string): Operation =>
  batch(host, table.deleteElements('routed', ROUTED, [{ key: [vni, address] }]));

/** Lets the host receive ARP replies about the address from the network (`nft add element bridge vethwork answers`). */
export const allowArpReplies = (host: DesiredHost, { vni }: DesiredNetwork, address: string): Operation =>
  batch(host, table.addElements('answers', ANSWERS, [{ key: [portGroup(vni), address] }]));

export const disallowArpReplies = (host: DesiredHost, { vni }: DesiredNetwork, address: string): Operation =>
  batch(host, table.deleteElements('answers', ANSWERS, [{ key: [portGroup(vni), address] }]));

function batch({ netns }: DesiredHost, ...commands: NftCommand[]): Operation {
  return { op: 'nftables.batch', netns, commands };
}
