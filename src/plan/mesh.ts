import { createHash } from 'node:crypto';
import type { NamespaceRef } from '../kernel/namespace.js';
import type { Neighbour } from '../kernel/neighbour.js';
import type { Operation } from '../kernel/operation.js';

/*
 * How the nodes that carry a network reach each other. What has to reach everybody is sent to every other carrier, one
 * by one; where each MAC is, is written down, so that nothing else is; and questions after arpSuppression addresses are answered
 * by the bridge that they are asked on.
 */

/** Whose MAC it is does not matter, only where it is. */
export type MacLocation = {
  mac: string;
  /** IPv4 address that the MAC answers for, if it is arpSuppression. */
  address?: string | undefined;
  /** Node. */
  node: string;
  /** Written down on bridges also where links learn, so that no instance takes it. */
  pinned?: boolean;
};

/** One node's part of a network's mesh. */
export type DesiredMesh = {
  /** Index of `vxlan-…` and of `br-vxlan-…`. */
  vxlan: number;
  bridge: number;
  /** The node itself: what is there is not written down as being elsewhere. */
  self: string;
  /** VTEPs of the nodes that carry the network, by node. One without an address can't be reached yet. */
  participants: Record<string, string | undefined>;
  /** Everything whose place is arpSuppression. */
  locations: MacLocation[];
  /** Write down where MACs are, and answer for their addresses. Without it, links learn and everything unknown is flooded. */
  arpSuppression: boolean;
};

const EVERYBODY = '00:00:00:00:00:00';

/** Frames for others do not come back: a node is never among those that it sends to, whatever it is called or has. */
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
    (carrier): carrier is [string, string] => carrier[0] !== self && carrier[1] !== undefined && carrier[1] !== own,
  );
  const vteps = new Map(others);
  const flood = [...new Set(vteps.values())].sort().map((destination) => onVxlan(vxlan, EVERYBODY, destination));
  const isElsewhere = ({ node }: MacLocation) => vteps.has(node);
  if (!arpSuppression) {
    const pinned = locations.filter((place) => place.pinned && isElsewhere(place));
    return [...flood, ...pinned.map(({ mac }) => onBridge(vxlan, mac))];
  }
  const unicast = locations.flatMap(({ mac, node }) => {
    const destination = vteps.get(node);
    return destination === undefined ? [] : [onVxlan(vxlan, mac, destination), onBridge(vxlan, mac)];
  });
  const answers = locations.flatMap((place): Neighbour[] => {
    const { mac, address, node } = place;
    return address === undefined || (node !== self && !isElsewhere(place))
      ? []
      : [{ family: 'inet', index: bridge, destination: address, address: mac, state: 'permanent' }];
  });
  return [...flood, ...unicast, ...answers];
}

/** Which VTEP a MAC is behind. */
const onVxlan = (index: number, address: string, destination: string): Neighbour => ({
  family: 'bridge',
  index,
  address,
  destination,
  self: true,
  state: 'permanent',
});

/** Sticky: a guest here that claims the MAC does not get its frames. */
const onBridge = (index: number, address: string): Neighbour => ({
  family: 'bridge',
  index,
  address,
  master: true,
  sticky: true,
  state: 'noarp',
});

/** The settings of the VXLAN link as a port of its bridge. */
export function planMeshPort(
  netns: NamespaceRef | undefined,
  { vxlan: index, arpSuppression }: DesiredMesh,
): Operation[] {
  return [{ op: 'link.port', netns, index, port: { learning: !arpSuppression, neighbourSuppression: arpSuppression } }];
}

/**
 * What makes the entries of a network's links those that are desired.
 * @param there what the kernel has, of both families
 */
export function meshChanges(
  netns: NamespaceRef | undefined,
  mesh: DesiredMesh,
  there: readonly Neighbour[],
): Operation[] {
  const wanted = new Map(meshEntries(mesh).map((entry) => [keyOf(entry), entry]));
  const present = new Map(there.filter((entry) => isOurs(mesh, entry)).map((entry) => [keyOf(entry), entry]));
  const surplus = [...present].filter(([key]) => !wanted.has(key)).map(([, entry]) => entry);
  const missing = [...wanted].filter(([key]) => !present.has(key)).map(([, entry]) => entry);
  return [
    ...surplus.map((entry): Operation => ({ op: 'neighbour.delete', netns, neighbour: writable(entry) })),
    ...missing.map(
      (neighbour): Operation => ({
        op: 'neighbour.add',
        netns,
        neighbour,
        mode: neighbour.address === EVERYBODY ? 'append' : 'replace',
      }),
    ),
  ];
}

/** Entries that this module makes, or that would be in their way; what links learn is theirs. */
function isOurs(
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

/** What the kernel reports, as it takes it. */
function writable({ family, index, address, destination, self }: Neighbour): Neighbour {
  return {
    ...{ family: family as 'inet' | 'bridge', index },
    ...(address !== undefined && family !== 'inet' && { address }),
    ...(destination !== undefined && { destination }),
    ...(family === 'bridge' && (self === true ? { self } : { master: true })),
  };
}

/**
 * The MAC of a network's bridge on a node. It differs from node to node, since the network node's speaks: the host
 * sends what is routed into the network from it.
 */
export function bridgeMacOf(mac: string, node: string): string {
  const hash = createHash('sha256').update(`${mac} ${node}`).digest('hex');
  return `06:${hash.slice(0, 10).replace(/(..)(?=.)/g, '$1:')}`;
}
