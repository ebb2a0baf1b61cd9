import type { Inet4Settings, LinkAttributes } from '../kernel/link/index.js';
import type { Operation } from '../kernel/operation.js';
import { withPrefixOf } from './addresses.js';
import type { DesiredHost, DesiredNetwork } from './desired.js';
import { bringUp } from './link.js';
import { networkAlias } from './names.js';
import { addHostNeighbour } from './neighbours.js';
import { addRoute } from './route.js';
import { planRuleset } from './ruleset.js';

/** Index of the loopback link in every namespace. */
export const LOOPBACK_INDEX = 1;

const DEFAULTS: Record<string, number> = {
  'ipv4/ip_forward': 1,
  'ipv4/conf/all/send_redirects': 0,
  // Networks have no IPv6. A link with IPv6 multicasts reports and solicitations, and the egress bridge floods them to
  // all networks, so that each new network would cost the machine more than the one before.
  'ipv6/conf/all/disable_ipv6': 1,
};

/**
 * Router settings: only the interface that owns an address answers ARP for it, and asymmetric paths are accepted
 * (rp_filter 2).
 */
const ROUTER: Inet4Settings = {
  forwarding: 1,
  arpIgnore: 1,
  arpAnnounce: 2,
  rpFilter: 2,
  sendRedirects: 0,
  acceptRedirects: 0,
};

/** Settings of every link in a network's namespace. */
export function innerSettings(network: string, inet: Inet4Settings = {}): LinkAttributes {
  return { alias: networkAlias(network), inet: { ...ROUTER, ...inet } };
}

/** Plans the sysctls of a new namespace. Set before links are added, so that no link has an IPv6 address. */
export function planNamespaceDefaults({ ipv6 }: DesiredHost, netns: string): Operation[] {
  return Object.entries(DEFAULTS).flatMap(([key, value]) =>
    ipv6 === false && key.startsWith('ipv6/') ? [] : [{ op: 'sysctl.set', netns, key, value }],
  );
}

/** Plans the inside of a network's namespace: a router between the overlay and the egress bridge. */
export function planRouter(host: DesiredHost, network: DesiredNetwork): Operation[] {
  const netns = network.uuid;
  const { inner, egress } = network;
  const settings = innerSettings(network.uuid);
  return [
    // DHCPRELEASE reaches dnsmasq through the loopback link.
    { op: 'link.set', netns, link: { index: LOOPBACK_INDEX }, changes: { up: true } },
    ...bringUp(netns, inner.inner, {
      ...settings,
      alias: networkAlias(netns, { name: network.name, tenant: network.tenant }),
    }),
    address(netns, inner.inner, network.gateway, network.netblock),
    ...(egress === undefined
      ? []
      : [
          ...bringUp(netns, egress.inner, settings),
          address(netns, egress.inner, egress.address, host.floatingNetwork),
          addRoute(netns, { destination: 'default', gateway: host.floatingAddress, index: egress.inner }),
          addHostNeighbour(host, network, egress.inner),
        ]),
    planRuleset(host, network),
  ];
}

function address(netns: string, index: number, address: string, network: string): Operation {
  return {
    op: 'address.add',
    netns,
    address: { index, address: withPrefixOf(network, address) },
  };
}
