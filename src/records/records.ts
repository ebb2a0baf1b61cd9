import { createHash } from 'node:crypto';
import type { InterfaceInfo, MigrationInfo, NetworkInfo } from '../api/types.js';
import { parseNetblock } from '../ipam/netblock.js';
import { AddressPool } from '../ipam/pool.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import type {
  DesiredAttachment,
  DesiredFloatingIp,
  DesiredHost,
  DesiredInterface,
  DesiredNetwork,
  Pair,
} from '../plan/desired.js';
import { deviceName } from '../plan/interface.js';
import type { Json } from '../store/store.js';
import type { Claim } from './claim.js';

/*
 * Records of the store. A record has the desired properties that planners need, the properties that users set, and its
 * lifecycle. Kernel objects and the configuration of dnsmasq are computed from records.
 */

/**
 * State of a record. `initial`: reserved, not created yet. `created`: the kernel must match the record. `deleting`: is
 * being removed. `claim` names the process that makes the change; without a claim, reconciliation finishes the change.
 */
export type Lifecycle = {
  state: 'initial' | 'created' | 'deleting';
  claim?: Claim;
};

/** Decides within the transaction, from the present lifecycle, whether an object is to be removed. */
export type IsDue = (lifecycle: Lifecycle) => boolean;
/** The object is removed in any case. */
export const always: IsDue = () => true;

/** A lone host, or what the nodes of a cluster share. Properties that follow from the present NICs are not recorded. */
export type HostRecord = Omit<
  DesiredHost,
  'netns' | 'meshNic' | 'egressMtu' | 'disableBridgeNetfilter' | 'fillChecksums' | 'role'
> & {
  /** The cluster that the state was migrated to. The records here are outdated. */
  movedTo?: string;
  /** Settings of a lone host (see `effectiveSettings`). Absent in records of earlier versions. */
  settings?: {
    netns?: string;
    meshNic: string;
    disableBridgeNetfilter: boolean;
    neighbourTable?: number;
    /** In milliseconds. */
    deletionHalo: number;
    /** Absent in records of earlier versions: true. */
    synchronousCommit?: boolean;
    dnsServers: string[];
    /** `dnsServers` are the resolvers of this machine, not set by the caller. */
    hasSystemResolvers: boolean;
    domain: string;
    tenant: string;
  };
};

/** A network. */
export type NetworkRecord = DesiredNetwork &
  Lifecycle & {
    name: string;
    tenant: string;
    metadata: Record<string, Json>;
    /** Node that is about to become the router, and the process that moves the network there. */
    standby?: { node: string; claim: Claim };
    /** Number of changes of the router. Absent: 0. */
    epoch?: number;
    /** Floating pool of its addresses outside. Absent on a lone host, and in records of earlier versions: `default`. */
    floatingPool?: string;
    /** Addresses of the floating network that are routed into this one. */
    routed: Record<string, Lifecycle>;
    /** The host names of all its interfaces are indexed. Absent in records of earlier versions. */
    hasHostnameIndex?: true;
    /**
     * The pool has a record of every address that an instance has ever used. Absent in records of earlier versions, in
     * adopted ones, and once an interface without anti-spoofing was attached, because it may use any address.
     */
    remembersAddresses?: true;
  };

/** An interface. */
export type InterfaceRecord = DesiredInterface &
  Lifecycle & {
    uuid: string;
    network: string;
    /** Node on which it is attached; absent on a lone host. */
    node?: string;
    model: string;
    hostname?: string;
    instance?: string;
    metadata: Record<string, Json>;
    /** The reason why the interface is lost: its container or device does not exist any more. */
    lost?: string;
    floating?: Lifecycle & { address: string; pair: Pair };
    slot?: Slot;
    migration?: Binding;
    /** Traffic on the nodes where it was before. */
    carried?: { sent: Counted; received: Counted };
  };

/**
 * The inactive binding of an interface that is moved to another node: the target, and after the switch the source. Its
 * port is closed. `initial`: is being prepared. `created`: prepared. `deleting`: is being removed.
 */
export type Binding = Lifecycle & {
  /** UUID of the migration. */
  id: string;
  node: string;
  attachment: DesiredAttachment;
  /** The source is to close its port, and then to make the target the owner. */
  isSwitching?: true;
  /** The interface has been switched: this is where it was. */
  isSource?: true;
  /** The source is to add its counters to those that are carried. */
  isUncounted?: true;
};

/** As `Traffic`. A type, because it is stored as JSON. */
export type Counted = { packets: number; bytes: number; dropped: number };

/** Membership of an interface in a pool. A slot gets another UUID when it is released. */
export type Slot = {
  /** UUID of the pool. */
  pool: string;
  /** It belongs to no instance, and its port is closed. */
  isFree: boolean;
  /** It is being released: DHCP keeps its reservation, without the host name. */
  isReleasing?: true;
  /** Counters of its link at the time of its release. */
  counted?: { sent: Counted; received: Counted };
};

/** Keys of records in the store. Those that end in `/` are prefixes. */
export const keys = {
  host: 'host',
  networks: 'network/',
  network: (uuid: string) => `network/${uuid}`,
  interfaces: 'interface/',
  interface: (uuid: string) => `interface/${uuid}`,
  /** Prefix of the interfaces of a network; the value is `true`. */
  members: (network: string) => `member/${network}/`,
  member: (network: string, uuid: string) => `member/${network}/${uuid}`,
  addresses: (network: string) => `address/${network}`,
  floating: 'floating',
  /** Addresses of a floating pool other than `default`. */
  floatingPool: (name: string) => `floating-pool/${name}`,
  /** UUID of the interface that uses a link of the namespace of the host. */
  device: (name: string, node?: string) => `device/${node === undefined ? '' : `${node}/`}${name}`,
  /** UUIDs of the networks with this name. The key has a digest, because names may contain any character. */
  name: (tenant: string, name: string) => `name/${digest(tenant, name)}`,
  /** UUID of the interface with this name in the namespace of a container. */
  place: (netns: NamespaceRef, name: string, node?: string) =>
    `place/${node === undefined ? '' : `${node}/`}${digest(namespacePath(netns), name)}`,
  /** Version of all records: `SCHEMA_VERSION`. */
  schema: 'schema',
  /** Only in records of version 1: present if names and places are indexed. */
  indexed: 'indexed',
  /** UUID of the interface that uses a MAC within a network. */
  mac: (network: string, mac: string) => `mac/${network}/${mac}`,
  /** UUID of the interface that has a host name within a network. */
  hostname: (network: string, hostname: string) => `hostname/${network}/${hostname}`,
} as const;

function digest(...texts: string[]): string {
  return createHash('sha256').update(JSON.stringify(texts)).digest('hex').slice(0, 32);
}

/** Returns one path for the name and the path of a namespace. */
function namespacePath(netns: NamespaceRef): string {
  if (typeof netns === 'number') return `/proc/${netns}/ns/net`;
  return netns.startsWith('/') ? netns : `/run/netns/${netns}`;
}

/** Returns the pool of the addresses of a network. */
export function networkPool({
  uuid,
  name,
  netblock,
  remembersAddresses,
}: Pick<NetworkRecord, 'uuid' | 'name' | 'netblock' | 'remembersAddresses'>): AddressPool {
  return new AddressPool({
    ...{ prefix: keys.addresses(uuid), name, netblock: parseNetblock('netblock', netblock) },
    remembers: remembersAddresses === true,
  });
}

/** Name of the floating pool of a lone host, and of network nodes that name none. */
export const DEFAULT_POOL = 'default';

/** Returns the addresses of a floating pool. */
export function floatingPool(floatingNetwork: string, pool = DEFAULT_POOL): AddressPool {
  const netblock = parseNetblock('floatingNetwork', floatingNetwork);
  return pool === DEFAULT_POOL
    ? new AddressPool({ prefix: keys.floating, name: 'the floating network', netblock })
    : new AddressPool({ prefix: keys.floatingPool(pool), name: `the floating pool ${pool}`, netblock });
}

/** Returns the desired floating IP of an interface; undefined if it has none. */
export function desiredFloating({ address, floating }: InterfaceRecord): DesiredFloatingIp | undefined {
  return floating && { address: floating.address, pair: floating.pair, target: address };
}

/** Returns a network with a changed routed address. */
export function withRouted(network: NetworkRecord, address: string, lifecycle: Lifecycle): NetworkRecord {
  return { ...network, routed: { ...network.routed, [address]: lifecycle } };
}

/** Returns the public information about a network. */
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
    ...(record.router !== undefined && { router: record.router }),
    ...(record.standby !== undefined && { standby: record.standby.node }),
    ...(record.router !== undefined && { floatingPool: record.floatingPool ?? DEFAULT_POOL }),
    routedAddresses: Object.keys(record.routed),
    metadata: structuredClone(record.metadata),
  };
}

function stateOf({ state, lost, slot }: InterfaceRecord): InterfaceInfo['state'] {
  if (state !== 'created') return state;
  if (lost !== undefined) return 'lost';
  return slot?.isFree ? 'free' : state;
}

/** Returns the public information about a migration. */
export function migrationInfo(
  { uuid, network, node = '', attachment }: InterfaceRecord,
  binding: Binding,
): MigrationInfo {
  const { id, isSource, isSwitching, state } = binding;
  const other = { node: binding.node, attachment: binding.attachment };
  const [from, to] = isSource ? [other, { node, attachment }] : [{ node, attachment }, other];
  const stages = { initial: 'preparing', created: 'prepared', deleting: 'aborting' } as const;
  return {
    ...{ id, interface: uuid, network, from: from.node, to: to.node, device: deviceName(to.attachment) },
    state: isSource ? 'switched' : isSwitching ? 'switching' : stages[state],
  };
}

/** Returns the public information about an interface. */
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
    ...(record.attachment.kind === 'veth' &&
      record.attachment.isOwned && { netns: namespacePath(record.attachment.netns) }),
    ...(record.slot && { pool: record.slot.pool }),
    ...(record.migration && { migration: migrationInfo(record, record.migration) }),
    state: stateOf(record),
    ...(record.lost !== undefined && { reason: record.lost }),
    metadata: structuredClone(record.metadata),
  };
}
