import { z } from 'zod';
import { ValidationError } from '../errors.js';
import { parseHostOptions, type Settings } from '../model/options.js';
import type { HostOptions } from '../model/types.js';
import type { EtcdOptions } from '../store/etcd-client.js';
import * as valid from '../validate.js';
import type { Role } from './types.js';

/** Options of `openHost` for a node of a cluster. */
export interface ClusterHostOptions
  extends Pick<
    HostOptions,
    | 'netns'
    | 'meshNic'
    | 'outboundNat'
    | 'disableBridgeNetfilter'
    | 'vxlanPort'
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
  /** For how long this node stays a member when it is not heard of, in seconds. Default 15. */
  leaseTime?: number;
  /**
   * Share of this node's networks and interfaces that may be missing from the store, without having been deleted, and are
   * removed by itself. Of more, nothing is changed until `Host.acceptStore`. 0 to 1, default 0.5.
   */
  removalLimit?: number;
  /** For how long a call waits for other nodes, in seconds. Default 30. */
  nodeTimeout?: number;
}

const flag = z.boolean({ error: 'true or false' });
const path = z.string({ error: 'the path of a file' }).min(1, { error: 'the path of a file' });
const text = z.string({ error: 'a text' }).min(1, { error: 'a text' });
const url = z.string({ error: 'a URL such as http://10.0.0.5:2379' }).regex(/^https?:\/\/[^/\s]+$/, {
  error: 'a URL such as http://10.0.0.5:2379',
});
const share = 'a number from 0 to 1';
const seconds = (least: number) => valid.integer(least, 3600, 'a number of seconds');

export const storeSchema = z.strictObject({
  etcd: z.array(url, { error: 'a list of URLs' }).min(1, { error: 'a list of URLs' }),
  prefix: text.optional(),
  tls: z.strictObject({ ca: path.optional(), cert: path.optional(), key: path.optional() }).optional(),
  username: text.optional(),
  password: z.string({ error: 'a text' }).optional(),
  timeout: valid.integer(1, 600, 'a number of seconds').optional(),
});

const clusterSchema = z.strictObject({
  store: storeSchema,
  node: valid.hostname,
  state: path.optional(),
  role: z.enum(['network', 'hypervisor'], { error: 'network or hypervisor' }).default('hypervisor'),
  netns: valid.namespaceRef.optional(),
  egressNic: valid.interfaceName.optional(),
  meshNic: valid.interfaceName.optional(),
  floatingNetwork: valid.cidr.optional(),
  outboundNat: flag.default(false),
  disableBridgeNetfilter: flag.default(false),
  vxlanPort: valid.port.optional(),
  underlayAddress: z.union([z.ipv4(), z.ipv6()], { error: 'an IPv4 or IPv6 address' }).optional(),
  vxlanSourcePorts: z.strictObject({ low: valid.port, high: valid.port }).optional(),
  vxlanDf: z.enum(['unset', 'set', 'inherit'], { error: 'unset, set or inherit' }).optional(),
  checksumOffload: flag.default(true),
  arpSuppression: flag.default(true),
  // As on a machine by itself: checked with all that the two have in common.
  deletionHalo: z.unknown().optional(),
  dnsServers: z.unknown().optional(),
  domain: z.unknown().optional(),
  tenant: z.unknown().optional(),
  agent: flag.default(true),
  leaseTime: seconds(1).default(15),
  nodeTimeout: seconds(1).default(30),
  removalLimit: z.number({ error: share }).min(0, { error: share }).max(1, { error: share }).default(0.5),
});

/** Checked; what follows from the node's NICs and from the cluster is not filled in yet. */
export type ClusterRequest = z.output<typeof clusterSchema>;

/** @throws ValidationError */
export function parseClusterOptions(options: ClusterHostOptions): ClusterRequest {
  const request = valid.parse(clusterSchema, options);
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

/** What is common to all hosts. @throws ValidationError */
export function settingsOf(
  request: ClusterRequest,
  known: { state: string; egressNic: string; meshNic: string; floatingNetwork: string; vxlanPort: number },
): Promise<Settings> {
  const { netns, disableBridgeNetfilter, outboundNat, deletionHalo, dnsServers, domain, tenant } = request;
  const options = {
    ...known,
    ...{ repair: false, outboundNat, disableBridgeNetfilter },
    ...{ netns, deletionHalo, dnsServers, domain, tenant },
  };
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return parseHostOptions(Object.fromEntries(given) as unknown as HostOptions);
}
