import { match, nftTable, statement } from '../kernel/nftables/index.js';
import type { Operation } from '../kernel/operation.js';
import { withPrefixOf } from './addresses.js';
import type { DesiredHost } from './desired.js';
import { bridge } from './link.js';
import { HOST_ALIAS, OVERLAY_BRIDGE_PREFIX } from './names.js';

const table = nftTable('ip', 'vethwork');

/** 1 where bridged frames pass iptables; absent without the module br_netfilter. */
export const BRIDGE_NETFILTER = 'bridge/bridge-nf-call-iptables';

/** The egress bridge with the floating network's first address, forwarding, and the host's own ruleset. */
export function planHost(host: DesiredHost): Operation[] {
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
    { op: 'sysctl.set', netns, key: `ipv6/conf/${name}/disable_ipv6`, value: 1 },
    // Routed addresses are answered for by proxy, which otherwise waits up to 0.8 s before each answer.
    { op: 'sysctl.set', netns, key: `ipv4/neigh/${name}/proxy_delay`, value: 0 },
    ...(host.disableBridgeNetfilter
      ? [{ op: 'sysctl.set', netns, key: BRIDGE_NETFILTER, value: 0 } satisfies Operation]
      : []),
    hostRuleset(host),
  ];
}

/** Takes away what `planHost` made, other than forwarding, on which others may rely by now. */
export function planHostRemoval(host: DesiredHost): Operation[] {
  const { netns } = host;
  return [
    { op: 'nftables.batch', netns, commands: [table.delete()] },
    { op: 'link.delete', netns, link: { index: host.egressBridge.index } },
  ];
}

/** No rule here matches an interface that is not ours, except the outbound NAT that was asked for. */
function hostRuleset(host: DesiredHost): Operation {
  return {
    op: 'nftables.batch',
    netns: host.netns,
    commands: [
      table.add(),
      // A tenant who learns the bridge's MAC could address the host through it.
      ...table.chain(
        'input',
        { type: 'filter', hook: 'input', priority: 0, policy: 'accept' },
        {
          'tenants do not reach the host': [
            match.inputInterface(`${OVERLAY_BRIDGE_PREFIX}*`),
            statement.counter(),
            statement.drop(),
          ],
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
                statement.counter(),
                statement.masquerade(),
              ],
            },
          )
        : []),
    ],
  };
}
