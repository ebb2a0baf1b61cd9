import { z } from 'zod';
import { type HostRequest, hostFields } from '../api/options.js';
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
  /** Name of this node. It must be the same each time the node is opened. */
  node: string;
  /**
   * Folder of this node: its journal of events, and the last known revision of the store. Default
   * `/var/lib/vethwork/<node>`.
   */
  stateDir?: string;
  /** Role of the node. A network node has the namespaces of the networks that it routes. Default `hypervisor`. */
  role?: Role;
  /** Network node only, required there: NIC through which the networks reach the outside. */
  egressNic?: string;
  /** Network node only, required there: CIDR of the floating addresses. */
  floatingNetwork?: string;
  /** Network node only: name of the floating pool with this network. Several nodes may serve a pool. Default `default`. */
  floatingPool?: string;
  /** Address of the mesh NIC that is the local VTEP, IPv4 or IPv6. Default: its first IPv4 address. */
  meshAddress?: string;
  /** Range of UDP source ports of VXLAN, inclusive, as `ip link … srcport`. Default: that of the kernel. */
  vxlanSourcePorts?: { low: number; high: number };
  /** Don't-fragment bit of the IPv4 packets of VXLAN, as `ip link … df`. Default `unset`. */
  vxlanDf?: 'unset' | 'set' | 'inherit';
  /** Checksum offload (TX) for traffic in VXLAN. Set to false if the NIC computes wrong checksums. Default true. */
  checksumOffload?: boolean;
  /**
   * Add forwarding entries for all MACs instead of flooding and learning, and answer ARP requests on the local node.
   * Default true.
   */
  arpSuppression?: boolean;
  /**
   * Take part in the election of the agent of the node. Default true. A node without an agent does not apply changes;
   * false is for processes that only make calls.
   */
  agent?: boolean;
  /** Time without contact after which this node counts as `gone`, in milliseconds. Default 15,000. */
  leaseTime?: number;
  /**
   * Maximum share of networks and interfaces whose records may be missing in the store without having been deleted. The
   * node removes them. If more are missing, the node changes nothing until `Host.acceptStore`. 0 to 1, default 0.5.
   */
  removalLimit?: number;
  /** For how long a call waits for other nodes, in milliseconds. Default 30,000. */
  nodeTimeout?: number;
}

const flag = z.boolean({ error: 'true or false' });
const share = 'a number from 0 to 1';
const duration = valid.integer(1000, 3_600_000, 'a number of milliseconds');

/** Options of `openHost` for a node of a cluster. The file of `vethwork agent` has the same members. */
export const clusterSchema = z.strictObject({
  ...hostFields,
  store: valid.part(etcdSchema),
  node: valid.hostname,
  role: z.enum(['network', 'hypervisor'], { error: 'network or hypervisor' }).default('hypervisor'),
  floatingPool: valid.hostname.optional(),
  meshAddress: z.union([z.ipv4(), z.ipv6()], { error: 'an IPv4 or IPv6 address' }).optional(),
  vxlanSourcePorts: valid.part(z.strictObject({ low: valid.port, high: valid.port })).optional(),
  vxlanDf: z.enum(['unset', 'set', 'inherit'], { error: 'unset, set or inherit' }).optional(),
  checksumOffload: flag.default(true),
  arpSuppression: flag.default(true),
  agent: flag.default(true),
  leaseTime: duration.default(15_000),
  nodeTimeout: duration.default(30_000),
  removalLimit: z.number({ error: share }).min(0, { error: share }).max(1, { error: share }).default(0.5),
});

/** Checked options. Values that follow from the NICs and from the cluster are added later. */
export type ClusterRequest = z.output<typeof clusterSchema>;

/** Checks the options of a node. @throws ValidationError */
export function parseClusterOptions(options: ClusterHostOptions): ClusterRequest {
  const request = valid.parseOptions(clusterSchema, options);
  if (request.role === 'network') {
    for (const field of ['egressNic', 'floatingNetwork'] as const) {
      if (request[field] === undefined)
        throw new ValidationError(field, undefined, 'a value: it is required on the network node');
    }
  }
  if (request.role === 'hypervisor' && request.floatingPool !== undefined) {
    throw new ValidationError('floatingPool', request.floatingPool, 'no value on a hypervisor node');
  }
  const ports = request.vxlanSourcePorts;
  if (ports !== undefined && ports.high < ports.low) {
    throw new ValidationError('vxlanSourcePorts.high', ports.high, `a port of at least ${ports.low}`);
  }
  return request;
}

/** The options that a node has in common with a lone host. */
export function hostRequest(request: ClusterRequest & { meshNic: string; stateDir: string }): HostRequest {
  const common = Object.keys(hostFields).map((field) => [field, request[field as keyof typeof hostFields]] as const);
  const { meshNic, stateDir, updateSettings } = request;
  return { ...Object.fromEntries(common), meshNic, stateDir, updateSettings, repair: false };
}
