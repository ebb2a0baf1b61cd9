import { hostMac } from '../ipam/mac.js';
import type { Operation } from '../kernel/operation.js';
import { withPrefixOf } from './addresses.js';
import type { DesiredAttachment, DesiredHost, DesiredInterface, DesiredNetwork } from './desired.js';
import { guardPort, unguardPort } from './guard.js';
import { bringUp, portSettings, singleQueue } from './link.js';
import { containerLinkName } from './names.js';
import { LOOPBACK_INDEX } from './namespace.js';
import { addInstanceNeighbour, addNeighbour, forgetInstanceNeighbour } from './neighbours.js';
import { retire } from './retire.js';
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
  add: ({ netns }, network, { mac }, { kind: _kind, ...spec }) => [
    { op: 'tap.add', netns, tap: spec },
    ...bringUp(netns, spec.index, {
      address: hostMac(mac),
      mtu: network.mtu,
      master: network.bridge.index,
      ...portSettings(network.uuid),
    }),
  ],
  remove: ({ netns }, { index }) => retire(netns, index),
  ownLink: ({ index }) => index,
};

const veth: Attachment<'veth'> = {
  device: ({ index }) => containerLinkName(index),
  add: ({ netns }, network, nic, attachment) => [
    {
      op: 'link.add',
      netns,
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
            netns: attachment.netns,
            ...singleQueue,
          },
        },
      },
    },
    ...bringUp(netns, attachment.index, portSettings(network.uuid)),
    ...(attachment.configure ? configureContainer(network, nic, attachment) : []),
  ],
  // The container's end too, so that its name is free for another attachment at once.
  remove: ({ netns }, { index, innerIndex, netns: container }) => [
    ...retire(container, innerIndex),
    ...retire(netns, index),
  ],
  ownLink: ({ index }) => index,
};

const device: Attachment<'device'> = {
  device: ({ name }) => name,
  add: ({ netns }, network, _nic, { index, before }) => [
    {
      op: 'link.set',
      netns,
      link: { index },
      changes: { mtu: network.mtu, master: network.bridge.index },
      undo: { mtu: before.mtu, master: 0 },
    },
    { op: 'link.set', netns, link: { index }, changes: { up: true }, undo: { up: before.up } },
  ],
  remove: ({ netns }, { index, before }) => [
    { op: 'link.set', netns, link: { index }, changes: { up: before.up, master: 0 } },
    { op: 'link.set', netns, link: { index }, changes: { mtu: before.mtu } },
  ],
  ownLink: () => undefined,
};

const attachments: { [Kind in DesiredAttachment['kind']]: Attachment<Kind> } = { tap, veth, device };

/** Typed once for all: an attachment and the entry of its kind belong together. */
function kindOf(attachment: DesiredAttachment): Attachment<DesiredAttachment['kind']> {
  return attachments[attachment.kind] as Attachment<DesiredAttachment['kind']>;
}

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
    forgetInstanceNeighbour(network, nic.address),
    { op: 'conntrack.delete', netns, filter: { address: nic.address } },
  ];
}

function configureContainer(network: DesiredNetwork, nic: DesiredInterface, attachment: Of<'veth'>): Operation[] {
  const { netns, innerIndex: index } = attachment;
  const isGuarded = nic.guard !== undefined;
  return [
    ...(isGuarded ? [] : [withoutDuplicateDetection(attachment)]),
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
const withoutDuplicateDetection = ({ netns, innerName }: Of<'veth'>): Operation => ({
  op: 'sysctl.set',
  netns,
  key: `ipv6/conf/${innerName}/accept_dad`,
  value: 0,
});
