import type { Operation } from '../kernel/operation.js';
import type { Rule } from '../kernel/rule.js';
import { floatingMac } from './addresses.js';
import { takeOutOfService } from './deletion.js';
import type { DesiredFloatingIp, DesiredHost, DesiredNetwork } from './desired.js';
import { EGRESS_PORTS } from './group.js';
import { disableIpv6, planVethPair } from './link.js';
import { floatingNames } from './names.js';
import { innerSettings } from './namespace.js';
import { addFloatingNeighbour, addHostNeighbour, deleteFloatingNeighbour } from './neighbours.js';
import { addRoute } from './route.js';
import { addFloating, deleteFloating } from './ruleset.js';

/** Before the main table's 32766; the rules differ in their marks. */
export const REPLY_RULE_PRIORITY = 1000;

/**
 * A floating IP: traffic to it comes in through a pair of its own and is sent on to the instance; replies, told by the
 * connection's mark, leave through the same pair. Mark, routing table and the pair's inner index are one number.
 */
export function planFloatingIp(host: DesiredHost, network: DesiredNetwork, floating: DesiredFloatingIp): Operation[] {
  const netns = network.uuid;
  const { address, pair, target } = floating;
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
    }),
    addFloatingNeighbour(host, address),
    { op: 'link.set', netns, link, changes: innerSettings(network.uuid, { arpNotify: 1 }) },
    // Before the link is up: what it announces when it comes up are the addresses it has by then.
    { op: 'address.add', netns, address: { index, address: `${address}/32` } },
    { op: 'link.set', netns, link, changes: { up: true } },
    addRoute(netns, { destination: host.floatingNetwork, index, table: index, scope: 'link', source: address }),
    addRoute(netns, { destination: 'default', gateway: host.floatingAddress, index, table: index, onlink: true }),
    addHostNeighbour(host, network, index),
    { op: 'rule.add', netns, rule: replyRule(index) },
    ...disableIpv6(host.netns, pair.outer),
    addFloating(network.uuid, address, target),
    forget(network.uuid, address),
  ];
}

/** The way back. Every step is needed: each alone leaves traffic flowing for those who talked to the address before. */
export function planFloatingIpRemoval(
  host: DesiredHost,
  network: DesiredNetwork,
  floating: DesiredFloatingIp,
): Operation[] {
  const netns = network.uuid;
  const { address, pair, target } = floating;
  return [
    deleteFloating(network.uuid, address, target),
    { op: 'rule.delete', netns, rule: replyRule(pair.inner) },
    ...takeOutOfService(netns, pair.inner),
    forget(network.uuid, address),
    ...takeOutOfService(host.netns, pair.outer),
    deleteFloatingNeighbour(host, address),
  ];
}

function replyRule(number: number): Rule {
  return { family: 'inet', priority: REPLY_RULE_PRIORITY, mark: number, table: number, action: 'lookup' };
}

/** Connections of the address, of every protocol and in both directions, would go on as they were begun. */
function forget(netns: string, address: string): Operation {
  return { op: 'conntrack.delete', netns, filter: { address } };
}
