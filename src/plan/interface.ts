import { hostMac } from '../ipam/mac.js';
import { type NamespaceRef, withIdentity } from '../kernel/namespace.js';
import type { Operation } from '../kernel/operation.js';
import { withPrefixOf } from './addresses.js';
import { takeOffBridge, takeOutOfService } from './deletion.js';
import type { DesiredAttachment, DesiredHost, DesiredInterface, DesiredNetwork } from './desired.js';
import { portGroup } from './group.js';
import { guardPort, unguardPort } from './guard.js';
import { planGuest } from './guest.js';
import { addStickyEntry, bringUpPort, disableIpv6, PORT, portSettings, singleQueue } from './link.js';
import { type AliasFacts, containerLinkName } from './names.js';
import { LOOPBACK_INDEX } from './namespace.js';
import { addInstanceNeighbour, addNeighbour, deleteInstanceNeighbour } from './neighbours.js';
import { addRoute } from './route.js';
import { closePort, openPort } from './slots.js';

type Of<Kind extends DesiredAttachment['kind']> = Extract<DesiredAttachment, { kind: Kind }>;

/** The planner of one kind of attachment. */
interface Attachment<Kind extends DesiredAttachment['kind']> {
  /** Name of the link on the host. */
  device: (attachment: Of<Kind>) => string;
  add: (host: DesiredHost, network: DesiredNetwork, nic: DesiredInterface, attachment: Of<Kind>) => Operation[];
  remove: (host: DesiredHost, attachment: Of<Kind>) => Operation[];
  /** Index of the link on the host, if detach deletes it. */
  ownLink: (attachment: Of<Kind>) => number | undefined;
}

/** Who may open a tap, and how often. Absent options stay absent in records. */
export const tapOptions = ({
  owner,
  multiQueue,
}: {
  owner?: number | undefined;
  multiQueue?: boolean | undefined;
}) => ({
  ...(owner !== undefined && { owner }),
  ...(multiQueue && { multiQueue }),
});

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
        ...portSettings(network.uuid, portGroup(network.vni), aliasFacts(nic)),
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
    ...(attachment.isOwned ? [{ op: 'namespace.add', name: String(attachment.netns) } satisfies Operation] : []),
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
    // Before it is up: otherwise it gets IPv6 routes, and the kernel looks for them among those of all links.
    ...disableIpv6(host.netns, attachment.index),
    ...bringUpPort(
      host.netns,
      attachment.index,
      portSettings(network.uuid, portGroup(network.vni), aliasFacts(nic)),
      fixGuarded(host.netns, attachment.index, nic),
    ),
    ...(attachment.configure ? configureContainer(host, network, nic, attachment) : []),
    ...(attachment.guest === undefined
      ? []
      : planGuest(
          { netns: containerNamespace(attachment), link: attachment.innerName },
          network,
          nic,
          attachment.guest,
        )),
  ],
  // The container's end is taken out of service too, so that its name is free at once. An owned namespace is deleted.
  remove: ({ netns }, attachment) => [
    ...(attachment.isOwned ? [] : takeOutOfService(containerNamespace(attachment), attachment.innerIndex)),
    ...takeOffBridge(netns, attachment.index),
    ...(attachment.isOwned ? [{ op: 'namespace.delete', name: String(attachment.netns) } satisfies Operation] : []),
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
  // The link goes down first, unless it stays up: the kernel would remove it from the bridge before it brings it down.
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

/** Model of interfaces unless it is given. */
export const DEFAULT_MODEL = 'virtio';

/**
 * What `adopt` cannot read elsewhere in the kernel. MAC and address of an interface with anti-spoofing are in the sets
 * of the guard. Every user of the machine can read aliases.
 */
function aliasFacts({ uuid, mac, address, guard, order, model, slot }: DesiredInterface): AliasFacts {
  return {
    // A slot gets another UUID each time it is released.
    ...(slot === undefined && { interface: uuid }),
    ...(order > 0 && { order }),
    ...(guard === undefined && { mac, address }),
    ...(model !== DEFAULT_MODEL && { model }),
  };
}

/** A sticky forwarding entry keeps the MAC of a guarded interface at its port, whatever unguarded ports send. */
function fixGuarded(
  netns: DesiredHost['netns'],
  index: number,
  { guard, mac, binding }: DesiredInterface,
): Operation[] {
  return guard === undefined || binding === 'inactive' ? [] : [addStickyEntry(netns, index, mac)];
}

/** Plans the activation of an interface that was planned as `inactive`: its MAC is here from now on. */
export const planActivation = ({ netns }: DesiredHost, nic: DesiredInterface): Operation[] =>
  fixGuarded(netns, nic.attachment.index, nic);

const isClosed = ({ slot, binding }: DesiredInterface) => slot?.isFree || binding !== undefined;

/** The type assertion is safe: an attachment selects the planner of its own kind. */
function kindOf(attachment: DesiredAttachment): Attachment<DesiredAttachment['kind']> {
  return attachments[attachment.kind] as Attachment<DesiredAttachment['kind']>;
}

/** The container's namespace with its identity. A later namespace of the same name is not used. */
export const containerNamespace = ({ netns, identity }: Of<'veth'>): NamespaceRef =>
  identity === undefined ? netns : withIdentity(netns, identity);

/** Name of an interface's link on the host. */
export const deviceName = (attachment: DesiredAttachment): string => kindOf(attachment).device(attachment);

/** Index of an interface's link on the host, if detach deletes the link. */
export const ownLink = (attachment: DesiredAttachment): number | undefined => kindOf(attachment).ownLink(attachment);

/**
 * Plans an attachment: a tap (`ip tuntap add`), a veth (`ip link add type veth`) or an existing device (`ip link set
 * master`).
 */
export function planInterface(host: DesiredHost, network: DesiredNetwork, nic: DesiredInterface): Operation[] {
  const { add, device } = kindOf(nic.attachment);
  return [
    ...guardPort(host, network, device(nic.attachment), nic),
    ...(isClosed(nic) ? [closePort(host, device(nic.attachment))] : []),
    ...addInstanceNeighbour(network, nic),
    ...add(host, network, nic, nic.attachment),
  ];
}

/**
 * Plans the detachment. Neighbour entries and connections of the address are deleted, because another interface may get
 * the address.
 */
export function planInterfaceRemoval(host: DesiredHost, network: DesiredNetwork, nic: DesiredInterface): Operation[] {
  const netns = network.uuid;
  const { remove, device } = kindOf(nic.attachment);
  return [
    ...remove(host, nic.attachment),
    ...unguardPort(host, network, device(nic.attachment), nic),
    ...(nic.slot === undefined && nic.binding === undefined ? [] : [openPort(host, device(nic.attachment))]),
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
  const { innerIndex: index, metric = nic.order } = attachment;
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
        // The address is announced when the link comes up, because neighbours may remember its previous owner. The
        // bridge floods the announcement to all ports.
        ...(nic.isFirstOwner ? {} : { inet: { arpNotify: 1 } }),
        // The guard drops IPv6. Without a link-local address, the kernel does not send any.
        ...(isGuarded && { inet6: { addressGeneration: 'none' } }),
      },
    },
    {
      op: 'address.add',
      netns,
      address: { index, address: withPrefixOf(network.netblock, nic.address) },
    },
    { op: 'link.set', netns, link: { index }, changes: { up: true } },
    // The gateway's MAC is permanent.
    addNeighbour(netns, { index, destination: network.gateway, address: network.inner.mac }),
    ...(network.egress === undefined
      ? []
      : [
          addRoute(netns, {
            destination: 'default',
            gateway: network.gateway,
            index,
            ...(metric > 0 && { metric }),
          }),
        ]),
  ];
}

/** Disables duplicate address detection, so that no IPv6 address is tentative when the call returns. */
const withoutDuplicateDetection = (attachment: Of<'veth'>): Operation => ({
  op: 'sysctl.set',
  netns: containerNamespace(attachment),
  key: `ipv6/conf/${attachment.innerName}/accept_dad`,
  value: 0,
});
