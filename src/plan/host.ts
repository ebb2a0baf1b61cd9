import { match, type NftRules, nftTable, statement } from '../kernel/nftables/index.js';
import type { Operation } from '../kernel/operation.js';
import type { NftObject } from '../kernel/query.js';
import { withPrefixOf } from './addresses.js';
import type { DesiredHost } from './desired.js';
import { fenceRemoval, planFence } from './fence.js';
import { VETHWORK_GROUPS } from './group.js';
import { guardTable, guardTableRemoval } from './guard.js';
import { bridge } from './link.js';
import { type MeshPeers, meshFilter, meshFilterRemoval, NO_PEERS } from './mesh-filter.js';
import { METADATA_ADDRESSES } from './metadata.js';
import { EGRESS_BRIDGE_PREFIX, hostAlias, OVERLAY_BRIDGE_PREFIX } from './names.js';
import { slotTableRemoval } from './slots.js';

const table = nftTable('ip', 'vethwork');
const table6 = nftTable('ip6', 'vethwork');

/** Tables of the namespace of a host, by family and name. */
const HOST_TABLES = new Set([
  'ip vethwork',
  'ip6 vethwork',
  'bridge vethwork',
  'bridge vethwork_slots',
  'bridge vethwork_fence',
  'inet vethwork_mesh',
]);

/** True for an nftables table of the namespace of a host that vethwork creates. */
export const isHostTable = ({ object, family, name }: NftObject): boolean =>
  object === 'table' && HOST_TABLES.has(`${family} ${name}`);

/** Sysctl that passes bridged frames to iptables if it is 1. Absent without the module br_netfilter. */
export const BRIDGE_NETFILTER = 'bridge/bridge-nf-call-iptables';

/** Plans a host: its rulesets and, on a network node, the egress bridge and forwarding. */
export function planHost(host: DesiredHost, peers: MeshPeers = NO_PEERS): Operation[] {
  const { netns } = host;
  return [
    ...(host.role === 'hypervisor' ? [] : planEgress(host)),
    ...(host.disableBridgeNetfilter
      ? [{ op: 'sysctl.set', netns, key: BRIDGE_NETFILTER, value: 0 } satisfies Operation]
      : []),
    meshFilter(host, peers),
    hostRuleset(host),
    ...(host.ipv6 === false
      ? []
      : [{ op: 'nftables.batch', netns, commands: [table6.add(), ...dropDetachedPorts(table6)] } satisfies Operation]),
    { op: 'nftables.batch', netns, commands: guardTable() },
    ...(host.fence ? [planFence(host)] : []),
  ];
}

/**
 * Plans the egress bridge with the first address of the floating network (`ip link add type bridge`, `ip address add`,
 * `sysctl net.ipv4.ip_forward=1`).
 */
function planEgress(host: DesiredHost): Operation[] {
  const { netns } = host;
  const { name, index, mac } = host.egressBridge;
  return [
    ...bridge(
      netns,
      { name, index, mac, mtu: host.egressMtu },
      {
        alias: hostAlias(host.stateDir),
        // rp_filter is loose: replies of a routed address arrive here, but its route points to its network.
        inet: { forwarding: 1, rpFilter: 2, arpIgnore: 1, arpAnnounce: 2, sendRedirects: 0 },
      },
    ),
    {
      op: 'address.add',
      netns,
      address: { index, address: withPrefixOf(host.floatingNetwork, host.floatingAddress) },
    },
    { op: 'sysctl.set', netns, key: 'ipv4/ip_forward', value: 1 },
    { op: 'link.ipv6', netns, index, disabled: true },
    // The host answers ARP for routed addresses (proxy ARP). The default delays each reply by up to 0.8 s.
    { op: 'sysctl.set', netns, key: `ipv4/neigh/${name}/proxy_delay`, value: 0 },
  ];
}

/**
 * Plans the removal of what `planHost` creates, and of the table of slots. IP forwarding stays enabled, because others
 * may use it by now.
 */
export function planHostRemoval(host: DesiredHost): Operation[] {
  const { netns } = host;
  return [
    { op: 'nftables.batch', netns, commands: [table.delete()] },
    ...(host.ipv6 === false ? [] : [{ op: 'nftables.batch', netns, commands: [table6.delete()] } satisfies Operation]),
    { op: 'nftables.batch', netns, commands: guardTableRemoval() },
    slotTableRemoval(host),
    ...(host.fence ? [fenceRemoval(host)] : []),
    meshFilterRemoval(host),
    ...(host.role === 'hypervisor'
      ? []
      : [{ op: 'link.delete', netns, link: { index: host.egressBridge.index } } satisfies Operation]),
  ];
}

const { accept, counter, drop, jump, masquerade } = statement;
const fromNetworks = match.inputInterface(`${EGRESS_BRIDGE_PREFIX}*`);

/** Rules for packets from networks to metadata services. @param from matches them, if not all packets are from networks */
const toMetadata = (verdict: () => ReturnType<typeof accept>, from: ReturnType<typeof accept> = []): NftRules => {
  const rules = METADATA_ADDRESSES.map((addresses) => [
    `networks and metadata services (${addresses})`,
    [from, match.destinationAddress(addresses), verdict()],
  ]);
  return Object.fromEntries(rules);
};

/**
 * Drops packets from ports that were taken out of their bridge. Such a port is an interface of the host like any other.
 * Before connection tracking and address translation.
 */
const dropDetachedPorts = (table: ReturnType<typeof nftTable>, more: NftRules = {}) =>
  table.chain(
    'prerouting',
    { type: 'filter', hook: 'prerouting', priority: -300, policy: 'accept' },
    {
      'ports that are in no bridge': [match.inputGroup(VETHWORK_GROUPS.value, VETHWORK_GROUPS.mask), counter(), drop()],
      ...more,
    },
  );

/**
 * With br_netfilter, bridged packets pass the hooks of IPv4. The host does not track their connections: addresses of
 * networks overlap, instances could fill the connection table of the machine, and it costs time for each packet.
 */
const notBridged: NftRules = {
  'connections within networks are not tracked': [
    match.inputInterface(`${OVERLAY_BRIDGE_PREFIX}*`),
    statement.doNotTrack(),
  ],
};

/**
 * The host's ruleset (`nft list table ip vethwork`). No rule matches interfaces of others, except the outbound NAT.
 * Packets that arrive through the egress bridge come from networks; packets from outside arrive through the egress NIC.
 */
function hostRuleset(host: DesiredHost): Operation {
  return {
    op: 'nftables.batch',
    netns: host.netns,
    commands: [
      table.add(),
      ...dropDetachedPorts(table, notBridged),
      // Metadata addresses are not reachable from networks, except the DNS port: the resolver of a dnsmasq may have
      // such an address.
      ...table.subchain('metadata', {
        'a resolver, over UDP': [match.udpPort(53), accept()],
        'a resolver, over TCP': [match.tcpPort(53), accept()],
        'networks do not reach metadata services': [counter(), drop()],
      }),
      ...table.chain(
        'input',
        { type: 'filter', hook: 'input', priority: 0, policy: 'accept' },
        {
          // A tenant who learns the MAC of the bridge could otherwise send to the host through it.
          'tenants do not reach the host': [match.inputInterface(`${OVERLAY_BRIDGE_PREFIX}*`), counter(), drop()],
          'what the host has begun': [fromNetworks, match.state('established', 'related'), accept()],
          ping: [fromNetworks, match.echoRequest(), accept()],
          ...toMetadata(host.allowMetadata ? accept : () => jump('metadata'), fromNetworks),
          'networks do not reach the services of the host': [fromNetworks, counter(), drop()],
        },
      ),
      ...table.subchain('from-networks', {
        'networks do not speak to the mesh': [match.udpPort(host.vxlanPort), counter(), drop()],
        ...(host.meshNic !== undefined && {
          'networks do not get out of the mesh NIC': [
            match.state('new'),
            match.outputInterface(host.meshNic),
            counter(),
            drop(),
          ],
        }),
        ...(host.allowMetadata ? {} : toMetadata(() => jump('metadata'))),
      }),
      // One comparison for all packets that others forward.
      ...table.chain(
        'forward',
        { type: 'filter', hook: 'forward', priority: 0, policy: 'accept' },
        { 'what networks send': [fromNetworks, jump('from-networks')] },
      ),
      ...(host.outboundNat
        ? table.chain(
            'postrouting',
            { type: 'nat', hook: 'postrouting', priority: 100 },
            {
              'outbound NAT of the floating network': [
                match.sourceAddress(host.floatingNetwork),
                match.outputInterface(host.egressNic),
                counter(),
                masquerade(),
              ],
            },
          )
        : []),
    ],
  };
}
