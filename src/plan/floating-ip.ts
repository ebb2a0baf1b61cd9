import type { Operation } from '../kernel/operation.js';
import type { Rule } from '../kernel/rule.js';
import { floatingMac } from './addresses.js';
import { announce, withdraw } from './announcement.js';
import { takeOutOfService } from './deletion.js';
import type { DesiredFloatingIp, DesiredHost, DesiredNetwork } from './desired.js';
import { EGRESS_PORTS } from './group.js';
import { disableIpv6, planVethPair } from './link.js';
import { floatingNames } from './names.js';
import { innerSettings } from './namespace.js';
import { addFloatingNeighbour, addHostNeighbour, deleteFloatingNeighbour } from './neighbours.js';
import { addRoute } from './route.js';
import { addFloating, deleteFloating } from './ruleset.js';

/** Priority of the rule for replies, before the main table (32766). The rules differ in their marks. */
export const REPLY_RULE_PRIORITY = 1000;

/**
 * Plans a floating IP. A veth pair of its own carries its traffic into the namespace, where nftables translates the
 * destination (`dnat`). Replies leave through the same pair: nftables marks the packets by the floating address of their
 * connection. Mark, routing table and index of the inner end are the same number, of this node only: nothing of it is
 * stored in the connection, which another node can take over. Equivalent: `ip link add type veth`, `ip address
 * add`, `ip route add table`, `ip rule add fwmark`, `nft add element ip vethwork floating`.
 */
export function planFloatingIp(host: DesiredHost, network: DesiredNetwork, floating: DesiredFloatingIp): Operation[] {
  const netns = network.uuid;
  const { address, pair } = floating;
  const index = pair.inner;
  const link = { index };
  return [
    ...planVethPair(host, network.uuid, {
      name: floatingNames(address),
      index: pair,
      mac: floatingMac(address),
      mtu: host.egressMtu,
      master: host.egressBridge.index,
      group: EGRESS_PORTS,
      isClosed: network.isClosed,
    }),
    addFloatingNeighbour(host, address),
    ...(network.isClosed ? [] : announce(host, address)),
    { op: 'link.set', netns, link, changes: innerSettings(network.uuid, { arpNotify: 1 }) },
    // The address is added before the link is up, because the kernel announces the addresses that exist when it comes
    // up.
    { op: 'address.add', netns, address: { index, address: `${address}/32` } },
    { op: 'link.set', netns, link, changes: { up: true } },
    addRoute(netns, { destination: host.floatingNetwork, index, table: index, scope: 'link', source: address }),
    addRoute(netns, { destination: 'default', gateway: host.floatingAddress, index, table: index, onlink: true }),
    addHostNeighbour(host, network, index),
    { op: 'rule.add', netns, rule: replyRule(index) },
    ...disableIpv6(host.netns, pair.outer),
    addFloating(network.uuid, floating),
    deleteConnections(network.uuid, address),
  ];
}

/** Plans the removal of a floating IP. All steps are needed: without any of them, existing connections go on. */
export function planFloatingIpRemoval(
  host: DesiredHost,
  network: DesiredNetwork,
  floating: DesiredFloatingIp,
): Operation[] {
  const netns = network.uuid;
  const { address, pair } = floating;
  return [
    deleteFloating(network.uuid, floating),
    { op: 'rule.delete', netns, rule: replyRule(pair.inner) },
    ...takeOutOfService(netns, pair.inner),
    deleteConnections(network.uuid, address),
    ...takeOutOfService(host.netns, pair.outer),
    deleteFloatingNeighbour(host, address),
    ...withdraw(host, address),
  ];
}

function replyRule(number: number): Rule {
  return { family: 'inet', priority: REPLY_RULE_PRIORITY, mark: number, table: number, action: 'lookup' };
}

/** Deletes connections of the address, of every protocol and direction (`conntrack -D`). */
function deleteConnections(netns: string, address: string): Operation {
  return { op: 'conntrack.delete', netns, filter: { address } };
}
