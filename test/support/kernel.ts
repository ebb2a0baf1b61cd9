import { openKernel } from '../../src/kernel/index.js';
import { json, TestNamespace } from './namespaces.js';

export { rejection } from './rejection.js';

/** A link as `ip -d -j link` prints it; only the fields that tests use. */
export interface IpLink {
  ifindex: number;
  ifname: string;
  flags: string[];
  mtu: number;
  address: string;
  group: string;
  txqlen: number;
  link_index?: number;
  link_netnsid?: number;
  master?: string;
  ifalias?: string;
  operstate: string;
  num_tx_queues: number;
  num_rx_queues: number;
  inet6_addr_gen_mode?: string;
  linkinfo?: {
    info_kind?: string;
    info_data?: Record<string, unknown>;
    info_slave_kind?: string;
    info_slave_data?: Record<string, unknown>;
  };
}

export function ipLinks(namespace: TestNamespace): Promise<IpLink[]> {
  return json<IpLink[]>('ip', '-n', namespace.name, '-d', '-j', 'link');
}

/** Reads one link with `ip`. Rejects if it does not exist. */
export async function ipLink(namespace: TestNamespace, name: string): Promise<IpLink> {
  const link = (await ipLinks(namespace)).find(({ ifname }) => ifname === name);
  if (link === undefined) throw new Error(`ip shows no ${name} in ${namespace.name}`);
  return link;
}

/** True if `ip` lists a link with this name. */
export async function hasLink(namespace: TestNamespace, name: string): Promise<boolean> {
  return (await ipLinks(namespace)).some(({ ifname }) => ifname === name);
}

/** State of a namespace as `ip` prints it, without counters and timers. It is equal before and after a complete removal. */
export async function ipPicture(namespace: TestNamespace): Promise<unknown> {
  const [links, addresses, routes, routes6, rules, neighbours, fdb] = await Promise.all([
    ipLinks(namespace),
    json('ip', '-n', namespace.name, '-d', '-j', 'addr'),
    json('ip', '-n', namespace.name, '-d', '-j', 'route', 'show', 'table', 'all'),
    json('ip', '-n', namespace.name, '-d', '-j', '-6', 'route', 'show', 'table', 'all'),
    json('ip', '-n', namespace.name, '-d', '-j', 'rule'),
    json('ip', '-n', namespace.name, '-j', 'neigh'),
    json('bridge', '-n', namespace.name, '-d', '-j', 'fdb'),
  ]);
  return withoutTimers({ links, addresses, routes, routes6, rules, neighbours, fdb });
}

function withoutTimers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutTimers);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([key]) => !/timer|used|updated|confirmed|probes/.test(key));
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutTimers(inner)]));
}

/** A kernel handle and namespaces that are removed at the end of the scope: `await using stage = await openStage(2)`. */
export async function openStage(count = 1) {
  const namespaces = await Promise.all(Array.from({ length: count }, () => TestNamespace.create('kernel')));
  const kernel = openKernel();
  return {
    kernel,
    namespaces,
    /** The first and the second namespace. */
    namespace: namespaces[0] as TestNamespace,
    other: namespaces[1] as TestNamespace,
    netns: (namespaces[0] as TestNamespace).name,
    async [Symbol.asyncDispose]() {
      await kernel.close();
      await Promise.all(namespaces.map((namespace) => namespace.remove()));
    },
  };
}
