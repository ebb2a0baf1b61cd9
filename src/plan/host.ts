import { match, type NftRules, nftTable, statement } from '../kernel/nftables/index.js';
import type { Operation } from '../kernel/operation.js';
import { withPrefixOf } from './addresses.js';
import type { DesiredHost } from './desired.js';
import { VETHWORK_GROUPS } from './group.js';
import { guardTable, guardTableRemoval } from './guard.js';
import { bridge } from './link.js';
import { type MeshPeers, meshFilter, meshFilterRemoval, NO_PEERS } from './mesh-filter.js';
import { METADATA_ADDRESSES } from './metadata.js';
import { EGRESS_BRIDGE_PREFIX, HOST_ALIAS, OVERLAY_BRIDGE_PREFIX } from './names.js';

const table = nftTable('ip', 'vethwork');
const table6 = nftTable('ip6', 'vethwork');

/** 1 where bridged frames pass iptables; absent without the module br_netfilter. */
export const BRIDGE_NETFILTER = 'bridge/bridge-nf-call-iptables';

/** The host's own ruleset; of a network node also the egress bridge and forwarding. */
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
      : [{ op: 'nftables.batch', netns, commands: [table6.add(), ...strayPorts(table6)] } satisfies Operation]),
    { op: 'nftables.batch', netns, commands: guardTable() },
  ];
}

/** The egress bridge with the floating network's first address. */
function planEgress(host: DesiredHost): Operation[] {
  const { netns } = host;
  const { name, index, mac } = host.egressBridge;
  return [
    ...bridge(
      netns,
      { name, index, mac, mtu: host.egressMtu },
      {
        alias: HOST_ALIAS,
        // Replies of a routed address arrive here though its route points into its network: loose path filter.
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
    // Routed addresses are answered for by proxy, which otherwise waits up to 0.8 s before each answer.
    { op: 'sysctl.set', netns, key: `ipv4/neigh/${name}/proxy_delay`, value: 0 },
  ];
}

/** Takes away what `planHost` made, other than forwarding, on which others may rely by now. */
export function planHostRemoval(host: DesiredHost): Operation[] {
  const { netns } = host;
  return [
    { op: 'nftables.batch', netns, commands: [table.delete()] },
    ...(host.ipv6 === false ? [] : [{ op: 'nftables.batch', netns, commands: [table6.delete()] } satisfies Operation]),
    { op: 'nftables.batch', netns, commands: guardTableRemoval() },
    meshFilterRemoval(host),
    ...(host.role === 'hypervisor'
      ? []
      : [{ op: 'link.delete', netns, link: { index: host.egressBridge.index } } satisfies Operation]),
  ];
}

const { accept, counter, drop, jump, masquerade } = statement;
const fromNetworks = match.inputInterface(`${EGRESS_BRIDGE_PREFIX}*`);

/** What is from networks and to metadata services. */
const toMetadata = (verdict: () => ReturnType<typeof accept>): NftRules => {
  const rules = METADATA_ADDRESSES.map((addresses) => [
    `networks and metadata services (${addresses})`,
    [fromNetworks, match.destinationAddress(addresses), verdict()],
  ]);
  return Object.fromEntries(rules);
};

/**
 * A port that somebody took out of its bridge is an interface of the host like any other: nothing comes in by it, neither
 * for the host nor to be passed on. Before connection tracking, and before others translate addresses.
 */
const strayPorts = (table: ReturnType<typeof nftTable>) =>
  table.chain(
    'prerouting',
    { type: 'filter', hook: 'prerouting', priority: -300, policy: 'accept' },
    {
      'ports that are in no bridge': [match.inputGroup(VETHWORK_GROUPS.value, VETHWORK_GROUPS.mask), counter(), drop()],
    },
  );

/**
 * No rule here matches an interface that is not ours, except the outbound NAT that was asked for. What comes through
 * the egress bridge comes from networks: the world outside comes through the egress NIC.
 */
function hostRuleset(host: DesiredHost): Operation {
  return {
    op: 'nftables.batch',
    netns: host.netns,
    commands: [
      table.add(),
      ...strayPorts(table),
      // Instances get no further than their network's namespace; the resolver of a dnsmasq may be at such an address.
      ...table.subchain('metadata', {
        'a resolver, over UDP': [match.udpPort(53), accept()],
        'a resolver, over TCP': [match.tcpPort(53), accept()],
        'networks do not reach metadata services': [counter(), drop()],
      }),
      ...table.chain(
        'input',
        { type: 'filter', hook: 'input', priority: 0, policy: 'accept' },
        {
          // A tenant who learns the bridge's MAC could address the host through it.
          'tenants do not reach the host': [match.inputInterface(`${OVERLAY_BRIDGE_PREFIX}*`), counter(), drop()],
          'what the host has begun': [fromNetworks, match.state('established', 'related'), accept()],
          ping: [fromNetworks, match.echoRequest(), accept()],
          ...toMetadata(host.allowMetadata ? accept : () => jump('metadata')),
          'networks do not reach the services of the host': [fromNetworks, counter(), drop()],
        },
      ),
      ...table.chain(
        'forward',
        { type: 'filter', hook: 'forward', priority: 0, policy: 'accept' },
        {
          'networks do not speak to the mesh': [fromNetworks, match.udpPort(host.vxlanPort), counter(), drop()],
          ...(host.meshNic !== undefined && {
            'networks do not get out of the mesh NIC': [
              fromNetworks,
              match.outputInterface(host.meshNic),
              match.state('new'),
              counter(),
              drop(),
            ],
          }),
          ...(host.allowMetadata ? {} : toMetadata(() => jump('metadata'))),
        },
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
