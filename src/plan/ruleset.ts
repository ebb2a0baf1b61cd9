import {
  type Expression,
  match,
  type NftRules,
  nftKey,
  nftTable,
  type SetElement,
  statement,
} from '../kernel/nftables/index.js';
import type { Operation } from '../kernel/operation.js';
import type { DesiredFloatingIp, DesiredHost, DesiredNetwork } from './desired.js';
import { fillDhcpChecksums } from './dhcp-checksums.js';
import { METADATA_ADDRESSES } from './metadata.js';
import { networkNames } from './names.js';

const table = nftTable('ip', 'vethwork');
/** Floating address -> address of the instance. */
const FLOATING = { keyType: 'ipv4_addr', dataType: 'ipv4_addr' } as const;
/** Floating address -> packet mark of replies, for the policy routing rule of that address. */
const REPLIES = { keyType: 'ipv4_addr', dataType: 'mark' } as const;
/** Addresses that are routed into the network. */
const ROUTED = { keyType: 'ipv4_addr' } as const;

/**
 * Limit of DNS queries per instance, identified by its MAC because it may have many addresses. dnsmasq keeps an
 * unanswered query for 10 s and serves 20 TCP connections; see `dns-forward-max` in its configuration. Bytes per second
 * and burst in bytes, because one packet may contain many queries: about 60 typical queries per second, and a burst of
 * 120.
 */
const DNS_RATE = { rate: 5000, burst: 10_000 };
const DNS_CONNECTIONS = 4;
/** Most instances with an element in the sets of limits. */
const MOST_INSTANCES = 65_535;
const dnsRate = { keyType: 'ether_addr', dynamic: true, size: MOST_INSTANCES };
const DNS_QUERIES = {
  ...dnsRate,
  timeout: 60_000,
  expressions: statement.limit(DNS_RATE.rate, DNS_RATE.burst, 'bytes'),
};
/** An element is deleted with its last connection. */
const DNS_CLIENTS = { ...dnsRate, expressions: statement.connections(DNS_CONNECTIONS) };

/**
 * Floating network addresses that instances have contacted recently. An address without owner occupies an entry of the
 * machine's neighbour table while the kernel sends ARP requests (three, one per second). Timeout in milliseconds.
 */
const ASKED = { keyType: 'ipv4_addr', dynamic: true, timeout: 3000, size: 64 } as const;

const { accept, counter, drop, masquerade } = statement;

/** Rules that are equal in all networks are created once. */
const established = [match.state('established', 'related'), accept()];
const toFloating = match.destinationTranslated();
const rest = [counter(), drop()];
// Every packet is compared with these rules. A name costs most to compare, so it comes last.
const floatingReply = [match.replyDirection(), toFloating];
const markReply = nftKey.markBy('replies', nftKey.originalDestination);
const local = {
  loopback: [match.inputInterface('lo'), accept()],
  ping: [match.echoRequest(), accept()],
  dhcp: [match.udpPort(67), accept()],
  dns: {
    udp: [match.udpPort(53), nftKey.update('dns-queries', nftKey.etherSource), accept()],
    tcp: [match.tcpPort(53), nftKey.update('dns-clients', nftKey.etherSource), accept()],
  },
};

/**
 * Plans the ruleset of a network's namespace (`nft list table ip vethwork`). The rules do not depend on floating and
 * routed addresses, which are elements of sets. Adding an element costs the same for the first and the thousandth.
 */
export function planRuleset(
  {
    allowMetadata,
    floatingNetwork,
    fillChecksums,
  }: Pick<DesiredHost, 'allowMetadata' | 'floatingNetwork' | 'fillChecksums'>,
  network: DesiredNetwork,
): Operation {
  const names = networkNames(network.vni);
  const inside = names.innerInner;
  const outside = network.egress === undefined ? undefined : names.egressInner;
  const fromInside = match.inputInterface(inside);
  const toInside = match.outputInterface(inside);
  const fromInstances = match.sourceAddress(network.netblock);
  const toOutside = outside === undefined ? [] : match.outputInterface(outside);
  const toNeighbours =
    outside === undefined ? [] : [fromInside, toOutside, fromInstances, match.destinationAddress(floatingNetwork)];

  return {
    op: 'nftables.batch',
    netns: network.uuid,
    commands: [
      table.add(),
      table.set('floating', FLOATING),
      table.set('replies', REPLIES),
      table.set('routed', ROUTED),
      ...(outside === undefined ? [] : [table.set('asked', ASKED)]),
      ...(network.provideDns ? [table.set('dns-queries', DNS_QUERIES), table.set('dns-clients', DNS_CLIENTS)] : []),
      ...table.chain(
        'prerouting',
        { type: 'filter', hook: 'prerouting', priority: -150 },
        {
          // Found by the translation of the connection, which is the same on every node. The connection has no mark.
          // Replies to the gateway are of the network's own instances.
          'replies of floating addresses leave through their own links': [
            ...floatingReply,
            fromInside,
            match.notDestinationAddress(network.gateway),
            markReply,
          ],
        },
      ),
      ...table.chain(
        'dstnat',
        { type: 'nat', hook: 'prerouting', priority: -100 },
        { 'floating addresses': [statement.translateDestinationBy('floating')] },
      ),
      ...table.chain(
        'srcnat',
        { type: 'nat', hook: 'postrouting', priority: 100 },
        {
          ...(outside !== undefined && {
            'instances appear as the floating gateway': [fromInstances, toOutside, counter(), masquerade()],
          }),
          // Without this rule, the instance would reply to its neighbour directly, which expects a reply from the
          // floating address.
          'instances reach floating addresses of their own network': [
            fromInside,
            toInside,
            toFloating,
            counter(),
            masquerade(),
          ],
        },
      ),
      ...table.chain(
        'forward',
        { type: 'filter', hook: 'forward', priority: 0, policy: 'drop' },
        {
          'known connections': established,
          'to floating addresses': [toFloating, counter(), accept()],
          ...(outside !== undefined && {
            ...(allowMetadata !== true && refuseMetadata([fromInside, toOutside])),
            'instances to few addresses of the floating network at a time': [
              ...toNeighbours,
              statement.addDestinationTo('asked'),
              counter(),
              accept(),
            ],
            'instances to more of them': [...toNeighbours, ...rest],
            'instances to the outside': [fromInside, toOutside, fromInstances, counter(), accept()],
            // Requests arrive on the host's bridge. Only the replies pass here, and no connection is tracked for them.
            'replies of routed addresses': [fromInside, toOutside, match.sourceIn('routed'), counter(), accept()],
          }),
          'instances to routed addresses of their own network': [
            fromInside,
            toInside,
            match.destinationIn('routed'),
            counter(),
            accept(),
          ],
          'everything else': rest,
        },
      ),
      ...table.chain(
        'input',
        { type: 'filter', hook: 'input', priority: 0, policy: 'drop' },
        {
          loopback: local.loopback,
          // Before established connections: with a fixed source port, the first reply would establish a connection that
          // bypasses the limit.
          ...(network.provideDns && {
            'DNS over UDP': [fromInside, ...local.dns.udp],
            'DNS over UDP, too much': [fromInside, match.udpPort(53), ...rest],
          }),
          'known connections': established,
          ping: local.ping,
          ...(network.provideDhcp && { DHCP: [fromInside, ...local.dhcp] }),
          ...(network.provideDns && {
            'DNS over TCP': [fromInside, ...local.dns.tcp],
            'DNS over TCP, too much': [fromInside, match.tcpPort(53), ...rest],
          }),
          'everything else': rest,
        },
      ),
      ...(network.provideDhcp && fillChecksums ? fillDhcpChecksums(inside) : []),
    ],
  };
}

const toMetadata = METADATA_ADDRESSES.map((addresses) => ({
  comment: `instances do not reach metadata services (${addresses})`,
  verdict: [match.destinationAddress(addresses), ...rest],
}));

/** Queries of dnsmasq originate in the namespace and are not forwarded, so these rules do not match them. */
const refuseMetadata = (where: Expression[][]): NftRules =>
  Object.fromEntries(toMetadata.map(({ comment, verdict }) => [comment, [...where, ...verdict]]));

/** Adds a floating address, with the packet mark of its replies (`nft add element ip vethwork floating`). */
export const addFloating = (network: string, floating: DesiredFloatingIp): Operation =>
  batch(
    network,
    table.addElements('floating', FLOATING, [target(floating)]),
    table.addElements('replies', REPLIES, [reply(floating)]),
  );

export const deleteFloating = (network: string, floating: DesiredFloatingIp): Operation =>
  batch(
    network,
    table.deleteElements('floating', FLOATING, [target(floating)]),
    table.deleteElements('replies', REPLIES, [reply(floating)]),
  );

const target = ({ address, target }: DesiredFloatingIp): SetElement => ({ key: address, data: target });
const reply = ({ address, pair }: DesiredFloatingIp): SetElement => ({ key: address, data: pair.inner });

export const addRouted = (network: string, address: string): Operation =>
  batch(network, table.addElements('routed', ROUTED, [element(address)]));

export const deleteRouted = (network: string, address: string): Operation =>
  batch(network, table.deleteElements('routed', ROUTED, [element(address)]));

const element = (address: string): SetElement => ({ key: address });

function batch(netns: string, ...commands: Extract<Operation, { op: 'nftables.batch' }>['commands']): Operation {
  return { op: 'nftables.batch', netns, commands };
}
