import { hostMac } from '../ipam/mac.js';
import type { LinkAttributes } from '../kernel/link/index.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import type { Operation } from '../kernel/operation.js';
import type { DesiredHost, Pair } from './desired.js';
import { type AliasFacts, networkAlias } from './names.js';

type Netns = NamespaceRef | undefined;

/**
 * One queue per direction (`ip link add numtxqueues 1 numrxqueues 1`), as veth uses by default. If the number is not
 * given, the kernel creates a queue per CPU and removes them again, which costs an RCU grace period per end.
 */
export const singleQueue = { txQueues: 1, rxQueues: 1 } as const;

/**
 * Plans the settings of a new link and brings it up. Two messages, because the kernel brings a link up before it
 * applies the IPv4 and IPv6 settings of the same message. The link would get a link-local address.
 */
export function bringUp(netns: Netns, index: number, settings: LinkAttributes): Operation[] {
  return [
    { op: 'link.set', netns, link: { index }, changes: settings },
    { op: 'link.set', netns, link: { index }, changes: { up: true } },
  ];
}

/**
 * Options of bridge ports (`ip link set type bridge_slave group_fwd_mask 0xfffd`). The mask contains all reserved
 * addresses 01:80:c2:00:00:0X except that of pause frames, which a bridge drops. Frames to addresses in the mask pass
 * the bridge's rules. Frames to other reserved addresses would be learned from and handed to the host (br_handle_frame
 * in net/bridge/br_input.c).
 */
export const PORT = { groupForwardMask: 0xfffd } as const;

/** Plans the settings of a new port and brings it up. No frame passes before the port's options are set. */
export function bringUpPort(
  netns: Netns,
  index: number,
  settings: LinkAttributes,
  fixed: Operation[] = [],
  isClosed = false,
): Operation[] {
  return [
    { op: 'link.set', netns, link: { index }, changes: settings },
    ...fixed,
    { op: 'link.set', netns, link: { index }, changes: { ...(!isClosed && { up: true }), port: PORT } },
  ];
}

/**
 * Disables IPv6 on links of the host (`sysctl net.ipv6.conf.<link>.disable_ipv6=1`): no addresses, no router
 * advertisements. It splits a batch of messages. A port hands nothing to the host before.
 */
export const disableIpv6 = (netns: Netns, ...indexes: number[]): Operation[] =>
  indexes.map((index) => ({ op: 'link.ipv6', netns, index, disabled: true }));

/**
 * Adds a static forwarding entry that other ports can't move (`bridge fdb replace <mac> dev <port> master static
 * sticky`). The kernel moves entries without `sticky`. The entry is deleted with the port.
 */
export function addStickyEntry(netns: Netns, index: number, address: string): Operation {
  return {
    op: 'neighbour.add',
    netns,
    neighbour: { family: 'bridge', index, address, master: true, sticky: true, state: 'noarp' },
    // Replaces an entry that the bridge may have learned.
    mode: 'replace',
  };
}

/**
 * Most MACs that a bridge learns (`ip link add type bridge fdb_max_learned`, Linux 6.7): eight per possible port.
 * Static entries do not count.
 */
const MAXIMUM_LEARNED = 8192;

/** Plans a bridge with a fixed MAC and MTU (`ip link add type bridge`). */
export function bridge(
  netns: Netns,
  link: { name: string; index: number; mac: string; mtu: number },
  settings: LinkAttributes,
): Operation[] {
  return [
    {
      op: 'link.add',
      netns,
      link: {
        kind: 'bridge',
        name: link.name,
        index: link.index,
        address: link.mac,
        // The kernel adapts a bridge's MTU to its ports until the MTU is changed to a different value.
        mtu: link.mtu - 1,
        data: {
          ...{ stp: false, forwardDelay: 0, multicastSnooping: false },
          ...{ linkLocalLearning: false, maximumLearned: MAXIMUM_LEARNED },
        },
      },
    },
    ...bringUp(netns, link.index, { mtu: link.mtu, inet6: { addressGeneration: 'none' }, ...settings }),
  ];
}

/** Settings of every port of vethwork: alias, device group, and no IPv6 address. */
export function portSettings(network: string, group: number, facts?: AliasFacts): LinkAttributes {
  return { alias: networkAlias(network, facts), group, inet6: { addressGeneration: 'none' } };
}

/**
 * Plans a veth pair between a bridge of the host and a network's namespace (`ip link add type veth peer`). The inner
 * end is brought up separately.
 */
export function planVethPair(
  host: DesiredHost,
  network: string,
  pair: {
    name: { outer: string; inner: string };
    index: Pair;
    mac: string;
    mtu: number;
    master: number;
    group: number;
    /** The end on the host stays down. */
    isClosed?: boolean | undefined;
  },
): Operation[] {
  const { name, index, mac, mtu, master, group, isClosed } = pair;
  return [
    {
      op: 'link.add',
      netns: host.netns,
      link: {
        kind: 'veth',
        name: name.outer,
        index: index.outer,
        address: hostMac(mac),
        mtu,
        master,
        ...singleQueue,
        data: { peer: { name: name.inner, index: index.inner, address: mac, mtu, netns: network, ...singleQueue } },
      },
    },
    ...bringUpPort(host.netns, index.outer, portSettings(network, group), [], isClosed),
    // Other ports can't take the MAC of the inner end, and frames to it are never flooded to them.
    addStickyEntry(host.netns, index.outer, mac),
  ];
}
