import { createHash } from 'node:crypto';
import type { NamespaceRef } from '../kernel/namespace.js';
import type { Neighbour } from '../kernel/neighbour.js';
import type { Operation } from '../kernel/operation.js';

/*
 * Forwarding between the nodes of a network. Frames for all MACs are sent to every other participant (head-end
 * replication). Static entries say where each MAC is. The bridge answers ARP requests for known addresses (ARP
 * suppression).
 */

/** Location of a MAC address. */
export type MacLocation = {
  mac: string;
  /** IPv4 address of the MAC, if it is known. */
  address?: string | undefined;
  /** Name of the node. */
  node: string;
  /** The entry is added even where links learn, so that no instance can take the MAC. */
  pinned?: boolean;
};

/** The desired mesh of one network on one node. */
export type DesiredMesh = {
  /** Indexes of `vxlan-…` and `br-vxlan-…`. */
  vxlan: number;
  bridge: number;
  /** Name of this node. MACs on this node get no entry. */
  self: string;
  /** VTEPs of the nodes that take part in the network, by node. A node without an address can't be reached yet. */
  participants: Record<string, string | undefined>;
  /** All MACs with a known location. */
  locations: MacLocation[];
  /**
   * Add entries for all MACs and answer ARP for their addresses. If false, links learn, and unknown MACs are flooded.
   */
  arpSuppression: boolean;
};

const ALL_ZERO_MAC = '00:00:00:00:00:00';

/** The desired neighbour and forwarding entries. A node never sends to itself, whatever its name or address is. */
export function meshEntries({
  vxlan,
  bridge,
  self,
  participants,
  locations,
  arpSuppression,
}: DesiredMesh): Neighbour[] {
  const own = participants[self];
  const others = Object.entries(participants).filter(
    (participant): participant is [string, string] =>
      participant[0] !== self && participant[1] !== undefined && participant[1] !== own,
  );
  const vteps = new Map(others);
  const flood = [...new Set(vteps.values())].sort().map((destination) => vxlanEntry(vxlan, ALL_ZERO_MAC, destination));
  const isElsewhere = ({ node }: MacLocation) => vteps.has(node);
  if (!arpSuppression) {
    const pinned = locations.filter((location) => location.pinned && isElsewhere(location));
    return [...flood, ...pinned.map(({ mac }) => stickyEntry(vxlan, mac))];
  }
  const unicast = locations.flatMap(({ mac, node }) => {
    const destination = vteps.get(node);
    return destination === undefined ? [] : [vxlanEntry(vxlan, mac, destination), stickyEntry(vxlan, mac)];
  });
  const answers = locations.flatMap((location): Neighbour[] => {
    const { mac, address, node } = location;
    return address === undefined || (node !== self && !isElsewhere(location))
      ? []
      : [{ family: 'inet', index: bridge, destination: address, address: mac, state: 'permanent' }];
  });
  return [...flood, ...unicast, ...answers];
}

/** VTEP of a MAC: `bridge fdb append <mac> dev <vxlan> dst <vtep> self permanent`. */
const vxlanEntry = (index: number, address: string, destination: string): Neighbour => ({
  family: 'bridge',
  index,
  address,
  destination,
  self: true,
  state: 'permanent',
});

/**
 * Sticky entry, so that a local instance can't take the MAC: `bridge fdb replace <mac> dev <vxlan> master static
 * sticky`.
 */
const stickyEntry = (index: number, address: string): Neighbour => ({
  family: 'bridge',
  index,
  address,
  master: true,
  sticky: true,
  state: 'noarp',
});

/** Port options of the VXLAN link: `bridge link set dev <vxlan> learning off neigh_suppress on`. */
export function planMeshPort(
  netns: NamespaceRef | undefined,
  { vxlan: index, arpSuppression }: DesiredMesh,
): Operation[] {
  return [{ op: 'link.port', netns, index, port: { learning: !arpSuppression, neighbourSuppression: arpSuppression } }];
}

/**
 * Plans the changes that make the present entries the desired ones.
 * @param there the present entries of the kernel, of both families
 */
export function meshChanges(
  netns: NamespaceRef | undefined,
  mesh: DesiredMesh,
  there: readonly Neighbour[],
): Operation[] {
  const wanted = new Map(meshEntries(mesh).map((entry) => [keyOf(entry), entry]));
  const present = new Map(there.filter((entry) => isManaged(mesh, entry)).map((entry) => [keyOf(entry), entry]));
  const extraneous = [...present].filter(([key]) => !wanted.has(key)).map(([, entry]) => entry);
  const missing = [...wanted].filter(([key]) => !present.has(key)).map(([, entry]) => entry);
  return [
    ...extraneous.map((entry): Operation => ({ op: 'neighbour.delete', netns, neighbour: toRequest(entry) })),
    ...missing.map(
      (neighbour): Operation => ({
        op: 'neighbour.add',
        netns,
        neighbour,
        mode: neighbour.address === ALL_ZERO_MAC ? 'append' : 'replace',
      }),
    ),
  ];
}

/**
 * Plans the deletion of the entries that links have learned for a MAC (`bridge fdb delete`), for `Kernel.teardown`. Its
 * next frame is flooded, and teaches them.
 * @param places.ports ports of the bridge that may have learned it
 */
export const forgetLearned = (
  netns: NamespaceRef | undefined,
  address: string,
  { vxlan, ports }: { vxlan: number; ports: readonly number[] },
): Operation[] => [
  { op: 'neighbour.delete', netns, neighbour: { family: 'bridge', index: vxlan, address, self: true } },
  ...ports.map(
    (index): Operation => ({
      op: 'neighbour.delete',
      netns,
      neighbour: { family: 'bridge', index, address, master: true },
    }),
  ),
];

/**
 * True for entries that this module adds, and for entries that conflict with them. Learned entries are left alone where
 * links learn.
 */
function isManaged(
  { vxlan, bridge, arpSuppression }: DesiredMesh,
  { family, index, self, state, sticky }: Neighbour,
): boolean {
  if (family === 'inet') return index === bridge && state === 'permanent';
  if (family !== 'bridge' || index !== vxlan) return false;
  return self === true
    ? arpSuppression || state === 'permanent'
    : sticky === true || (arpSuppression && state !== 'permanent');
}

function keyOf({ family, index, address, destination, self, sticky }: Neighbour): string {
  return [family, index, self === true, sticky === true, address, destination].join(' ');
}

/** Converts an entry that the kernel reported into a request. */
function toRequest({ family, index, address, destination, self }: Neighbour): Neighbour {
  return {
    ...{ family: family as 'inet' | 'bridge', index },
    ...(address !== undefined && family !== 'inet' && { address }),
    ...(destination !== undefined && { destination }),
    ...(family === 'bridge' && (self === true ? { self } : { master: true })),
  };
}

/**
 * MAC of a network's bridge on a node. It differs between nodes, because the network node sends routed packets from it.
 */
export function bridgeMacOf(mac: string, node: string): string {
  const hash = createHash('sha256').update(`${mac} ${node}`).digest('hex');
  return `06:${hash.slice(0, 10).replace(/(..)(?=.)/g, '$1:')}`;
}
