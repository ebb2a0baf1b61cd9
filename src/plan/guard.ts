import { nftKey as key, match, type NftCommand, nftTable, statement } from '../kernel/nftables/index.js';
import type { Operation } from '../kernel/operation.js';
import type { DesiredHost, DesiredInterface, DesiredNetwork } from './desired.js';
import { EGRESS_PORTS, portGroup, VETHWORK_GROUPS } from './group.js';

/**
 * Keeps instances from speaking in others' names, and from the host: one table of the host's bridges, the same however many
 * interfaces there are. What comes in through a port of a network's bridge, guarded or not, is told by the port's device
 * group: none of it is for a reserved address, and of none the host hears but of ARP about addresses that it routes there. From a guarded port only ARP and IPv4 pass, from the interface's MAC, with its address, those that it may
 * have beside, and those that are routed into its network; and nothing that a DHCP server says. So it is with IPv6 and
 * its router advertisements: networks have none, so nothing of it passes.
 *
 * A DHCP server believes what is in a message, whoever sends it: so that has to be about the port's own MAC. The conditions are
 * those that a message has to meet: what is cut short meets none.
 */

const table = nftTable('bridge', 'vethwork');

/** Port -> VNI of its network. */
const GUARDED = { keyType: 'ifname', dataType: 'mark' } as const;
const MACS = { keyType: 'ifname . ether_addr' } as const;
const ADDRESSES = { keyType: 'ifname . ether_addr . ipv4_addr' } as const;
/** Whose MAC a port may speak of in DHCP messages. */
const CLIENTS = { keyType: 'ifname . ether_addr' } as const;
/** By VNI. */
const ROUTED = { keyType: 'mark . ipv4_addr' } as const;

/** Of addresses that the host routes into the network: device group of its ports, and address. */
const ANSWERS = { keyType: 'devgroup . ipv4_addr' } as const;

/** Before the bridge decides anything, and before connection tracking. */
const PRIORITY = -300;
/** DHCP messages of each port, a second, and how many more at once: a boot takes a few, each repeated once in seconds. */
const DHCP_RATE = { rate: 1, burst: 20 };

const { counter, drop, accept, clearMark, jump, goto, limit } = statement;
const { inputInterface, inputGroup, etherSource, source, arpMac, arpAddress, arpTarget, dhcpMac, mark } = key;
const fromOurPorts = match.inputGroup(VETHWORK_GROUPS.value, VETHWORK_GROUPS.mask);
const pass = () => [clearMark(), accept()].flat();
const refuse = () => [counter(), drop()].flat();

/**
 * A packet may hold several messages that the sender's kernel leaves to be cut later (UDP_SEGMENT, udp(7)), and only the first
 * is looked at. All but the last are equally long, and dnsmasq reads none below 240 bytes: two take 480 and 28 of headers.
 */
const LONGEST_DHCP = 507;

/** A whole BOOTP request of a client, from port 68 to 67, over Ethernet (htype 1, hlen 6), not relayed (giaddr). */
const dhcpRequest = () =>
  [
    match.unfragmented(),
    match.lengthUpTo(LONGEST_DHCP),
    match.bytes('transport', 0, 0, 68, 0, 67),
    match.bytes('transport', 8, 1, 1, 6),
    match.bytes('transport', 32, 0, 0, 0, 0),
  ].flat();
/** About its own MAC, at the rate that each port has. */
const dhcpOfItsOwn = () => key.isIn('clients', inputInterface, dhcpMac);
/** Of one who has no address yet. */
const noAddress = () => match.sourceAddress('0.0.0.0');
/** A request (operation 1) from 0.0.0.0 of one who asks whether an address is taken (RFC 5227). */
const arpProbe = () => [match.bytes('network', 6, 0, 1), match.bytes('network', 14, 0, 0, 0, 0)].flat();

/** The table, without a port. */
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
  ...table.subchain('guard', {
    'the MAC is its own': [key.isNotIn('macs', inputInterface, etherSource), refuse()],
    UDP: [match.etherType('ip'), match.udp(), jump('guard-udp')],
    'IPv4 from its addresses': [
      match.etherType('ip'),
      match.wellFormed(),
      key.isIn('addresses', inputInterface, etherSource, source),
      pass(),
    ],
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
    'ARP probes': [match.etherType('arp'), arpProbe(), key.isIn('macs', inputInterface, arpMac), pass()],
    'everything else': [refuse()],
  }),
  ...table.chain(
    'prerouting',
    { type: 'filter', hook: 'prerouting', priority: PRIORITY, policy: 'accept' },
    {
      // Of those that the ports' mask lets in here. Nothing on the way of others is longer by it than by one match.
      'reserved addresses': [match.reservedDestination(), fromOurPorts, refuse()],
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
      // Told unasked by who has the address from now on: a request by the address for itself.
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

/** Guards a port, if the interface is to be. Nothing can have come from it if this is done before it is up. */
export function guardPort(host: DesiredHost, network: DesiredNetwork, device: string, nic: DesiredInterface) {
  const commands = elements(network, device, nic).map(({ set, types, elements }) =>
    table.addElements(set, types, elements),
  );
  return commands.length === 0 ? [] : [batch(host, ...commands)];
}

/** Each set by itself: what is already gone from one must not keep the others from being cleared. */
export function unguardPort(host: DesiredHost, network: DesiredNetwork, device: string, nic: DesiredInterface) {
  return elements(network, device, nic).map(({ set, types, elements }) =>
    batch(host, table.deleteElements(set, types, elements)),
  );
}

/** Every interface of the network may answer for the address. */
export const allowRouted = (host: DesiredHost, { vni }: DesiredNetwork, address: string): Operation =>
  batch(host, table.addElements('routed', ROUTED, [{ key: [vni, address] }]));

export const disallowRouted = (host: DesiredHost, { vni }: DesiredNetwork, address: string): Operation =>
  batch(host, table.deleteElements('routed', ROUTED, [{ key: [vni, address] }]));

/** The host hears the answers when it asks the network's instances who has the address. */
export const allowArpReplies = (host: DesiredHost, { vni }: DesiredNetwork, address: string): Operation =>
  batch(host, table.addElements('answers', ANSWERS, [{ key: [portGroup(vni), address] }]));

export const disallowArpReplies = (host: DesiredHost, { vni }: DesiredNetwork, address: string): Operation =>
  batch(host, table.deleteElements('answers', ANSWERS, [{ key: [portGroup(vni), address] }]));

function batch({ netns }: DesiredHost, ...commands: NftCommand[]): Operation {
  return { op: 'nftables.batch', netns, commands };
}
