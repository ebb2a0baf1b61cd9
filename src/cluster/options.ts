import { z } from 'zod';
import { type HostRequest, parseHostOptions } from '../api/options.js';
import type { HostOptions } from '../api/types.js';
import { ValidationError } from '../errors.js';
import type { EtcdOptions } from '../store/etcd/client.js';
import { etcdSchema } from '../store/etcd/options.js';
import * as valid from '../util/validate.js';
import type { Role } from './types.js';

/** Options of `openHost` for a node of a cluster. */
export interface ClusterHostOptions
  extends Pick<
    HostOptions,
    | 'netns'
    | 'meshNic'
    | 'outboundNat'
    | 'updateSettings'
    | 'allowMetadata'
    | 'disableBridgeNetfilter'
    | 'vxlanPort'
    | 'neighbourTable'
    | 'deletionHalo'
    | 'dnsServers'
    | 'domain'
    | 'tenant'
  > {
  /** The cluster's store. */
  store: EtcdOptions;
  /** Name of this node, the same whenever it is opened. */
  node: string;
  /** Folder for what is this node's alone: its journal of events. Default `/var/lib/vethwork/<node>`. */
  state?: string;
  /** A cluster has one network node: the networks' namespaces are there. Default `hypervisor`. */
  role?: Role;
  /** Network node: the NIC through which it reaches the outside. */
  egressNic?: string;
  /** Network node: CIDR of the floating addresses. */
  floatingNetwork?: string;
  /** Address of the mesh NIC, IPv4 or IPv6, that other nodes reach this one at. Default: its first IPv4 address. */
  underlayAddress?: string;
  /** UDP source ports of the mesh, inclusive; the kernel's choice otherwise. */
  vxlanSourcePorts?: { low: number; high: number };
  /** Don't-fragment bit of the mesh's IPv4 packets. Default `unset`. */
  vxlanDf?: 'unset' | 'set' | 'inherit';
  /** False where the NICs below spoil the checksums of what VXLAN carries. Default true. */
  checksumOffload?: boolean;
  /**
   * Write down where every MAC is instead of flooding and learning, and answer ARP for it on the node where it is asked.
   * Default true.
   */
  arpSuppression?: boolean;
  /**
   * Be the node's agent unless another process is. Default true. Without any agent nothing is done on the node: false is
   * for short visits.
   */
  agent?: boolean;
  /** For how long this node stays a member when it is not heard of, in milliseconds. Default 15,000. */
  leaseTime?: number;
  /**
   * Share of this node's networks and interfaces that may be missing from the store, without having been deleted, and are
   * removed by itself. Of more, nothing is changed until `Host.acceptStore`. 0 to 1, default 0.5.
   */
  removalLimit?: number;
  /** For how long a call waits for other nodes, in milliseconds. Default 30,000. */
  nodeTimeout?: number;
}

const flag = z.boolean({ error: 'true or false' });
const path = valid.path('the path of a file');
const share = 'a number from 0 to 1';
const duration = valid.integer(1000, 3_600_000, 'a number of milliseconds');

/** Options of `openHost` for a node of a cluster. The file of `vethwork agent` has the same members. */
export const clusterSchema = z.strictObject({
  store: valid.part(etcdSchema),
  node: valid.hostname,
  state: path.optional(),
  role: z.enum(['network', 'hypervisor'], { error: 'network or hypervisor' }).default('hypervisor'),
  netns: valid.namespaceRef.optional(),
  egressNic: valid.interfaceName.optional(),
  meshNic: valid.interfaceName.optional(),
  floatingNetwork: valid.cidr.optional(),
  outboundNat: flag.optional(),
  allowMetadata: flag.optional(),
  updateSettings: flag.default(false),
  disableBridgeNetfilter: flag.default(false),
  vxlanPort: valid.port.optional(),
  underlayAddress: z.union([z.ipv4(), z.ipv6()], { error: 'an IPv4 or IPv6 address' }).optional(),
  vxlanSourcePorts: valid.part(z.strictObject({ low: valid.port, high: valid.port })).optional(),
  vxlanDf: z.enum(['unset', 'set', 'inherit'], { error: 'unset, set or inherit' }).optional(),
  checksumOffload: flag.default(true),
  arpSuppression: flag.default(true),
  // As on a machine by itself: checked with all that the two have in common.
  neighbourTable: z.unknown().optional(),
  deletionHalo: z.unknown().optional(),
  dnsServers: z.unknown().optional(),
  domain: z.unknown().optional(),
  tenant: z.unknown().optional(),
  agent: flag.default(true),
  leaseTime: duration.default(15_000),
  nodeTimeout: duration.default(30_000),
  removalLimit: z.number({ error: share }).min(0, { error: share }).max(1, { error: share }).default(0.5),
});

/** Checked; what follows from the node's NICs and from the cluster is not filled in yet. */
export type ClusterRequest = z.output<typeof clusterSchema>;

/** @throws ValidationError */
export function parseClusterOptions(options: ClusterHostOptions): ClusterRequest {
  const request = valid.parseOptions(clusterSchema, options);
  if (request.role === 'network') {
    for (const field of ['egressNic', 'floatingNetwork'] as const) {
      if (request[field] === undefined)
        throw new ValidationError(field, undefined, 'a value: the network node needs it');
    }
  }
  const ports = request.vxlanSourcePorts;
  if (ports !== undefined && ports.high < ports.low) {
    throw new ValidationError('vxlanSourcePorts.high', ports.high, `a port from ${ports.low} on`);
  }
  return request;
}

/** The options of a node that lone hosts have as well, checked like those. @throws ValidationError */
export function hostRequest(request: ClusterRequest & { meshNic: string; state: string }): HostRequest {
  const { state, meshNic, netns, outboundNat, allowMetadata, disableBridgeNetfilter, updateSettings } = request;
  const { neighbourTable, deletionHalo, dnsServers, domain, tenant } = request;
  const options = {
    ...{ state, meshNic, netns, outboundNat, allowMetadata, disableBridgeNetfilter, updateSettings, repair: false },
    ...{ neighbourTable, deletionHalo, dnsServers, domain, tenant },
  };
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return parseHostOptions(Object.fromEntries(given) as unknown as HostOptions);
}
