import { hostMac } from '../ipam/mac.js';
import type { LinkAttributes } from '../kernel/link/index.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import type { Operation } from '../kernel/operation.js';
import type { DesiredHost, Pair } from './desired.js';
import { networkAlias } from './names.js';

type Netns = NamespaceRef | undefined;

/**
 * A veth uses one queue each way unless told otherwise. Said at its creation, the kernel need not take back those that it
 * made for every other CPU, for which it waits for an RCU grace period at either end.
 */
export const singleQueue = { txQueues: 1, rxQueues: 1 } as const;

/**
 * Settles a new link and brings it up. Two steps, because the kernel brings a link up before it applies the IPv4 and
 * IPv6 settings of the same message: the link would have a link-local address by then.
 */
export function bringUp(netns: Netns, index: number, settings: LinkAttributes): Operation[] {
  return [
    { op: 'link.set', netns, link: { index }, changes: settings },
    { op: 'link.set', netns, link: { index }, changes: { up: true } },
  ];
}

/**
 * Every reserved address 01:80:c2:00:00:0X but that of pause frames, which a bridge drops. Frames to the addresses in the
 * mask pass a bridge as others do, and so meet its rules; frames to the others would be learned from and handed to the host
 * as if the port were none. (br_handle_frame in the kernel's net/bridge/br_input.c)
 */
export const PORT = { groupForwardMask: 0xfffd } as const;

/** Settles a new port and brings it up, with no frame passing before the port's options hold. */
export function bringUpPort(
  netns: Netns,
  index: number,
  settings: LinkAttributes,
  fixed: Operation[] = [],
): Operation[] {
  return [
    { op: 'link.set', netns, link: { index }, changes: settings },
    ...fixed,
    { op: 'link.set', netns, link: { index }, changes: { up: true, port: PORT } },
  ];
}

/**
 * Takes IPv6 from links of the host: they have neither addresses nor do they believe what routers advertise. By itself, as
 * a port hands nothing to the host in any case: among the messages that make links it would divide what is sent at once.
 */
export const disableIpv6 = (netns: Netns, ...indexes: number[]): Operation[] =>
  indexes.map((index) => ({ op: 'link.ipv6', netns, index, disabled: true }));

/**
 * Writes down that a MAC is at a port. Sticky, because the kernel moves static entries as well when another port sends with
 * the MAC. It goes with the port.
 */
export function addStickyEntry(netns: Netns, index: number, address: string): Operation {
  return {
    op: 'neighbour.add',
    netns,
    neighbour: { family: 'bridge', index, address, master: true, sticky: true, state: 'noarp' },
    // In the place of what the bridge may have learned of the MAC.
    mode: 'replace',
  };
}

/**
 * MACs that a bridge learns at most, where the kernel takes a bound: eight for each port that a bridge takes. Those of
 * guarded interfaces, the gateway and what the mesh knows are written down, and not counted.
 */
const MAXIMUM_LEARNED = 8192;

/** A bridge whose MAC and MTU are its own, whatever its ports are. */
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
        // A bridge follows the smallest MTU of its ports until its MTU is changed to another value than it has.
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

/** What every port of ours has on the host: signs whose it is, and no IPv6 address of its own. */
export function portSettings(network: string, group: number): LinkAttributes {
  return { alias: networkAlias(network), group, inet6: { addressGeneration: 'none' } };
}

/** A veth pair between a bridge of the host and a network's namespace; its inner end is brought up from inside. */
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
  },
): Operation[] {
  const { name, index, mac, mtu, master, group } = pair;
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
    ...bringUpPort(host.netns, index.outer, portSettings(network, group)),
  ];
}
