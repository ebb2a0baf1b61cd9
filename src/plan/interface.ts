import { hostMac } from '../ipam/mac.js';
import { type NamespaceRef, withIdentity } from '../kernel/namespace.js';
import type { Operation } from '../kernel/operation.js';
import { withPrefixOf } from './addresses.js';
import { takeOutOfService } from './deletion.js';
import type { DesiredAttachment, DesiredHost, DesiredInterface, DesiredNetwork } from './desired.js';
import { portGroup } from './group.js';
import { guardPort, unguardPort } from './guard.js';
import { addStickyEntry, bringUpPort, disableIpv6, PORT, portSettings, singleQueue } from './link.js';
import { containerLinkName } from './names.js';
import { LOOPBACK_INDEX } from './namespace.js';
import { addInstanceNeighbour, addNeighbour, deleteInstanceNeighbour } from './neighbours.js';
import { addRoute } from './route.js';

type Of<Kind extends DesiredAttachment['kind']> = Extract<DesiredAttachment, { kind: Kind }>;

/** What each way to be connected needs to come and to go. */
interface Attachment<Kind extends DesiredAttachment['kind']> {
  /** Name of the link in the host's namespace. */
  device: (attachment: Of<Kind>) => string;
  add: (host: DesiredHost, network: DesiredNetwork, nic: DesiredInterface, attachment: Of<Kind>) => Operation[];
  remove: (host: DesiredHost, attachment: Of<Kind>) => Operation[];
  /** The link in the host's namespace, if it is ours to delete. */
  ownLink: (attachment: Of<Kind>) => number | undefined;
}

const tap: Attachment<'tap'> = {
  device: ({ name }) => name,
  add: ({ netns }, network, nic, { kind: _kind, ...spec }) => [
    { op: 'tap.add', netns, tap: spec },
    ...disableIpv6(netns, spec.index),
    ...bringUpPort(
      netns,
      spec.index,
      {
        address: hostMac(nic.mac),
        mtu: network.mtu,
        master: network.bridge.index,
        ...portSettings(network.uuid, portGroup(network.vni)),
      },
      fixGuarded(netns, spec.index, nic),
    ),
  ],
  remove: ({ netns }, { index }) => takeOutOfService(netns, index),
  ownLink: ({ index }) => index,
};

const veth: Attachment<'veth'> = {
  device: ({ index }) => containerLinkName(index),
  add: (host, network, nic, attachment) => [
    {
      op: 'link.add',
      netns: host.netns,
      link: {
        kind: 'veth',
        name: containerLinkName(attachment.index),
        index: attachment.index,
        address: hostMac(nic.mac),
        mtu: network.mtu,
        master: network.bridge.index,
        ...singleQueue,
        data: {
          peer: {
            name: attachment.innerName,
            index: attachment.innerIndex,
            address: nic.mac,
            mtu: network.mtu,
            netns: containerNamespace(attachment),
            ...singleQueue,
          },
        },
      },
    },
    ...bringUpPort(
      host.netns,
      attachment.index,
      portSettings(network.uuid, portGroup(network.vni)),
      fixGuarded(host.netns, attachment.index, nic),
    ),
    ...(attachment.configure ? configureContainer(host, network, nic, attachment) : []),
    ...disableIpv6(host.netns, attachment.index),
  ],
  // The container's end too, so that its name is free for another attachment at once.
  remove: ({ netns }, attachment) => [
    ...takeOutOfService(containerNamespace(attachment), attachment.innerIndex),
    ...takeOutOfService(netns, attachment.index),
  ],
  ownLink: ({ index }) => index,
};

const device: Attachment<'device'> = {
  device: ({ name }) => name,
  add: ({ netns }, network, nic, { index, before }) => [
    ...(before.ipv6 === undefined ? [] : disableIpv6(netns, index)),
    {
      op: 'link.set',
      netns,
      link: { index },
      changes: {
        mtu: network.mtu,
        master: network.bridge.index,
        ...(before.group !== undefined && { group: portGroup(network.vni) }),
      },
      undo: { mtu: before.mtu, master: 0, ...(before.group !== undefined && { group: before.group }) },
    },
    ...fixGuarded(netns, index, nic),
    { op: 'link.set', netns, link: { index }, changes: { up: true, port: PORT }, undo: { up: before.up } },
  ],
  // Down first, unless it is to stay up: the kernel takes it out of the bridge before it brings it down.
  remove: ({ netns }, { index, before }) => [
    { op: 'link.set', netns, link: { index }, changes: { up: before.up } },
    {
      op: 'link.set',
      netns,
      link: { index },
      changes: { master: 0, ...(before.group !== undefined && { group: before.group }) },
    },
    { op: 'link.set', netns, link: { index }, changes: { mtu: before.mtu } },
    ...(before.ipv6 ? [{ op: 'link.ipv6', netns, index, disabled: false } satisfies Operation] : []),
  ],
  ownLink: () => undefined,
};

const attachments: { [Kind in DesiredAttachment['kind']]: Attachment<Kind> } = { tap, veth, device };

/** The MAC of a guarded interface is nowhere else, whatever ports that are not guarded send. */
function fixGuarded(netns: DesiredHost['netns'], index: number, { guard, mac }: DesiredInterface): Operation[] {
  return guard === undefined ? [] : [addStickyEntry(netns, index, mac)];
}

/** Typed once for all: an attachment and the entry of its kind belong together. */
function kindOf(attachment: DesiredAttachment): Attachment<DesiredAttachment['kind']> {
  return attachments[attachment.kind] as Attachment<DesiredAttachment['kind']>;
}

/** The container's namespace, and no other that has its place later. */
export const containerNamespace = ({ netns, identity }: Of<'veth'>): NamespaceRef =>
  identity === undefined ? netns : withIdentity(netns, identity);

/** Name of an interface's link in the host's namespace. */
export const deviceName = (attachment: DesiredAttachment): string => kindOf(attachment).device(attachment);

/** Index of an interface's link in the host's namespace, if it goes with the interface. */
export const ownLink = (attachment: DesiredAttachment): number | undefined => kindOf(attachment).ownLink(attachment);

/** Connects an instance to its network. */
export function planInterface(host: DesiredHost, network: DesiredNetwork, nic: DesiredInterface): Operation[] {
  const { add, device } = kindOf(nic.attachment);
  return [
    ...guardPort(host, network, device(nic.attachment), nic),
    // The network's namespace is on the network node alone.
    ...(host.role === 'hypervisor' ? [] : addInstanceNeighbour(network, nic)),
    ...add(host, network, nic, nic.attachment),
  ];
}

/** Disconnects it, and forgets what the network's router knew of it: its address may soon be another's. */
export function planInterfaceRemoval(host: DesiredHost, network: DesiredNetwork, nic: DesiredInterface): Operation[] {
  const netns = network.uuid;
  const { remove, device } = kindOf(nic.attachment);
  return [
    ...remove(host, nic.attachment),
    ...unguardPort(host, network, device(nic.attachment), nic),
    deleteInstanceNeighbour(network, nic.address),
    { op: 'conntrack.delete', netns, filter: { address: nic.address } },
  ];
}

function configureContainer(
  { ipv6 }: DesiredHost,
  network: DesiredNetwork,
  nic: DesiredInterface,
  attachment: Of<'veth'>,
): Operation[] {
  const { innerIndex: index } = attachment;
  const netns = containerNamespace(attachment);
  const isGuarded = nic.guard !== undefined;
  return [
    ...(isGuarded || ipv6 === false ? [] : [withoutDuplicateDetection(attachment)]),
    { op: 'link.set', netns, link: { index: LOOPBACK_INDEX }, changes: { up: true } },
    {
      op: 'link.set',
      netns,
      link: { index },
      changes: {
        // Its neighbours may remember who had the address before: it is announced when the link comes up.
        inet: { arpNotify: 1 },
        // No IPv6 passes the guard: with an address of the link's own, the kernel would be busy for nothing.
        ...(isGuarded && { inet6: { addressGeneration: 'none' } }),
      },
    },
    {
      op: 'address.add',
      netns,
      address: { index, address: withPrefixOf(network.netblock, nic.address) },
    },
    { op: 'link.set', netns, link: { index }, changes: { up: true } },
    // The gateway's MAC stays, whatever is made anew.
    addNeighbour(netns, { index, destination: network.gateway, address: network.inner.mac }),
    ...(network.egress === undefined
      ? []
      : [
          addRoute(netns, {
            destination: 'default',
            gateway: network.gateway,
            index,
            ...(nic.order > 0 && { metric: nic.order }),
          }),
        ]),
  ];
}

/** No IPv6 address of the container is tentative when we return. */
const withoutDuplicateDetection = (attachment: Of<'veth'>): Operation => ({
  op: 'sysctl.set',
  netns: containerNamespace(attachment),
  key: `ipv6/conf/${attachment.innerName}/accept_dad`,
  value: 0,
});
