import { createHash } from 'node:crypto';
import type { InterfaceInfo, NetworkInfo } from '../api/types.js';
import { parseNetblock } from '../ipam/netblock.js';
import { AddressPool } from '../ipam/pool.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import type { DesiredFloatingIp, DesiredHost, DesiredInterface, DesiredNetwork, Pair } from '../plan/desired.js';
import { deviceName } from '../plan/interface.js';
import type { Json } from '../store/store.js';
import type { Claim } from './claim.js';

/*
 * What the store remembers. A record holds the wish that planners need, what the user said about it, and how far we
 * are with it. Everything else follows from it.
 */

/**
 * `initial`: reserved, not yet made. `created`: the kernel is to be as recorded. `deleting`: to be removed.
 * While a process is at work on a change, `claim` says which; without a claim, reconciliation finishes the change.
 */
export type Lifecycle = {
  state: 'initial' | 'created' | 'deleting';
  claim?: Claim;
};

/** Whether a lifecycle is one to be ended, as it is at the moment that decides. */
export type IsDue = (lifecycle: Lifecycle) => boolean;
export const always: IsDue = () => true;

/** What follows from the NICs as they are now is not recorded. Settings are: `settingsInForce`. */
export type HostRecord = Omit<DesiredHost, 'netns' | 'meshNic' | 'egressMtu' | 'disableBridgeNetfilter' | 'role'> & {
  /** Where the state is now; what is here is out of date. */
  movedTo?: string;
  /** Absent in what was recorded before they were remembered. */
  settings?: {
    netns?: string;
    meshNic: string;
    disableBridgeNetfilter: boolean;
    neighbourTable?: number;
    /** In milliseconds. */
    deletionHalo: number;
    dnsServers: string[];
    /** They were found on this machine, not given. */
    hasSystemResolvers: boolean;
    domain: string;
    tenant: string;
  };
};

export type NetworkRecord = DesiredNetwork &
  Lifecycle & {
    name: string;
    tenant: string;
    metadata: Record<string, Json>;
    /** Addresses of the floating network that are routed into this one. */
    routed: Record<string, Lifecycle>;
  };

export type InterfaceRecord = DesiredInterface &
  Lifecycle & {
    uuid: string;
    network: string;
    /** Where it is attached; absent on a machine by itself. */
    node?: string;
    model: string;
    hostname?: string;
    instance?: string;
    metadata: Record<string, Json>;
    /** Why it can't work any more: what it was attached to is gone. */
    lost?: string;
    floating?: Lifecycle & { address: string; pair: Pair };
  };

export const keys = {
  host: 'host',
  networks: 'network/',
  network: (uuid: string) => `network/${uuid}`,
  interfaces: 'interface/',
  interface: (uuid: string) => `interface/${uuid}`,
  /** Which interfaces a network has. */
  members: (network: string) => `member/${network}/`,
  member: (network: string, uuid: string) => `member/${network}/${uuid}`,
  addresses: (network: string) => `address/${network}`,
  floating: 'floating',
  /** Links of the host's namespace that are attached or made for an attachment. */
  device: (name: string, node?: string) => `device/${node === undefined ? '' : `${node}/`}${name}`,
  /** UUIDs of the networks of that name. Names are of any length, and of any letters. */
  name: (tenant: string, name: string) => `name/${digest(tenant, name)}`,
  /** The interface of that name in a container's namespace. */
  place: (netns: NamespaceRef, name: string, node?: string) =>
    `place/${node === undefined ? '' : `${node}/`}${digest(namespacePath(netns), name)}`,
  /** Version of all records: `SCHEMA_VERSION`. */
  schema: 'schema',
  /** In records of version 1: there if names and places are indexed. */
  indexed: 'indexed',
  /** MACs in use within a network. */
  mac: (network: string, mac: string) => `mac/${network}/${mac}`,
} as const;

function digest(...texts: string[]): string {
  return createHash('sha256').update(JSON.stringify(texts)).digest('hex').slice(0, 32);
}

/** The same for a namespace's name and for its path. */
function namespacePath(netns: NamespaceRef): string {
  if (typeof netns === 'number') return `/proc/${netns}/ns/net`;
  return netns.startsWith('/') ? netns : `/run/netns/${netns}`;
}

/** The addresses of a network. */
export function networkPool({ uuid, name, netblock }: Pick<NetworkRecord, 'uuid' | 'name' | 'netblock'>): AddressPool {
  return new AddressPool({ prefix: keys.addresses(uuid), name, netblock: parseNetblock('netblock', netblock) });
}

/** The addresses of the floating network. */
export function floatingPool(floatingNetwork: string): AddressPool {
  const netblock = parseNetblock('floatingNetwork', floatingNetwork);
  return new AddressPool({ prefix: keys.floating, name: 'the floating network', netblock });
}

/** The wish for an interface's floating IP. */
export function desiredFloating({ address, floating }: InterfaceRecord): DesiredFloatingIp | undefined {
  return floating && { address: floating.address, pair: floating.pair, target: address };
}

export function withRouted(network: NetworkRecord, address: string, lifecycle: Lifecycle): NetworkRecord {
  return { ...network, routed: { ...network.routed, [address]: lifecycle } };
}

export function networkInfo(record: NetworkRecord): NetworkInfo {
  return {
    uuid: record.uuid,
    name: record.name,
    vni: record.vni,
    netblock: record.netblock,
    gateway: record.gateway,
    provideDhcp: record.provideDhcp,
    provideNat: record.egress !== undefined,
    provideDns: record.provideDns,
    ...(record.egress && { floatingGateway: record.egress.address }),
    mtu: record.mtu,
    tenant: record.tenant,
    state: record.state,
    routedAddresses: Object.keys(record.routed),
    metadata: record.metadata,
  };
}

export function interfaceInfo(record: InterfaceRecord): InterfaceInfo {
  return {
    uuid: record.uuid,
    network: record.network,
    ...(record.node !== undefined && { node: record.node }),
    device: deviceName(record.attachment),
    attachment: record.attachment.kind,
    mac: record.mac,
    order: record.order,
    address: record.address,
    ...(record.floating && { floating: record.floating.address }),
    model: record.model,
    antiSpoofing: record.guard !== undefined,
    allowedAddresses: record.guard?.allowedAddresses ?? [],
    ...(record.hostname !== undefined && { hostname: record.hostname }),
    ...(record.instance !== undefined && { instance: record.instance }),
    state: record.lost === undefined || record.state !== 'created' ? record.state : 'lost',
    ...(record.lost !== undefined && { reason: record.lost }),
    metadata: record.metadata,
  };
}
