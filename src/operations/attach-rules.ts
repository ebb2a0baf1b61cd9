import { basename } from 'node:path';
import { ValidationError } from '../errors.js';
import type { Context } from '../host/context.js';
import { findLink } from '../host/detect.js';
import { networkOfVni } from '../ipam/vni.js';
import { isNamespaceMissing } from '../kernel/ensure/observer.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Link } from '../kernel/link/index.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import type { NamespaceInfo } from '../kernel/query.js';
import type { Route } from '../kernel/route.js';
import { bridgeMacOf } from '../plan/mesh.js';
import { isVethworkLink, vniOfInnerName } from '../plan/names.js';
import { keys, type NetworkRecord } from '../records/records.js';
import { isUuid } from '../util/validate.js';

/*
 * Checks that an attach does not take a link or a namespace that the host or a network needs. Links are compared by
 * index, and namespaces by inode: links have alternative names, and a namespace may have several paths.
 */

type RuleContext = Pick<Context, 'kernel' | 'host' | 'settings' | 'detected' | 'store'>;

/** Maximum number of stacked links that are followed from a NIC to its lowest link. */
const MAX_LAYERS = 8;

/**
 * Checks a device to be attached.
 * @throws ValidationError if the host needs it, vethwork created it, or it cannot be a port
 */
export async function refuseDevice(context: RuleContext, link: Link, name: string): Promise<void> {
  const refuse = (expected: string) => new ValidationError('device', name, expected);
  if (link.name === 'lo') throw refuse('a link other than the loopback');
  if (isVethworkLink(link)) throw refuse('a link that vethwork did not create');
  if (link.kind === 'bridge') throw refuse('a link other than a bridge: a bridge cannot be a port of another bridge');
  const needed = await hostLinks(context);
  if (needed.has(link.index)) throw refuse('a link other than the NICs of the host and the links below them');
}

/** Returns the indexes of the NICs of a host, and of the links below them. */
async function hostLinks({ kernel, host, settings, detected }: RuleContext): Promise<Set<number>> {
  const { netns } = host;
  const found = new Set([detected.underlay.index]);
  for (const nic of new Set([settings.egressNic, settings.meshNic])) {
    let link = await findLink(kernel, netns, nic);
    found.add(link.index);
    for (let layer = 0; layer < MAX_LAYERS; layer++) {
      const below = indexBelow(link);
      if (below === undefined) break;
      link = await kernel.query('link.get', { netns, link: { index: below } });
      found.add(link.index);
    }
  }
  return found;
}

/**
 * Returns the index of the lower link of a stacked link. For veths and tunnels, `link` (IFLA_LINK) has another meaning.
 */
function indexBelow({ kind = '', link, linkNamespaceId }: Link): number | undefined {
  return linkNamespaceId === undefined && ['vlan', 'macvlan', 'ipvlan'].includes(kind) ? link : undefined;
}

/**
 * Inodes of the namespaces of the host and of this process. Open sockets of the kernel object keep both namespaces
 * alive, so their inodes are not reused.
 */
const inodes = new WeakMap<Kernel, Promise<readonly number[]>>();

function hostInodes({ kernel, host }: RuleContext): Promise<readonly number[]> {
  const known = inodes.get(kernel);
  if (known !== undefined) return known;
  const where = host.netns === undefined ? {} : { netns: host.netns };
  const reading = Promise.all([kernel.query('namespace.get', where), kernel.query('namespace.get')]).then(
    (namespaces) => namespaces.map(({ inode }) => inode),
  );
  inodes.set(kernel, reading);
  reading.catch(() => inodes.delete(kernel));
  return reading;
}

/**
 * Identities of namespaces that have been found to be those of instances. None becomes that of a network: networks get
 * new namespaces.
 */
const instances = new WeakMap<Kernel, Set<string>>();
/** Most identities that are kept. */
const MOST_INSTANCES = 4096;

function instancesOf(kernel: Kernel): Set<string> {
  const known = instances.get(kernel) ?? new Set();
  instances.set(kernel, known);
  if (known.size >= MOST_INSTANCES) known.clear();
  return known;
}

/** The namespace of an instance. */
interface InstanceNamespace {
  identity: string | undefined;
  /** Empty unless asked for. */
  routes: readonly Route[];
}

/**
 * Checks that a namespace can be that of an instance.
 * @param options.withRoutes reads its routes, too
 * @throws ValidationError if it is not a network namespace, or is that of the host, of this process or of a network
 */
export async function requireInstanceNamespace(
  context: RuleContext,
  netns: NamespaceRef,
  { withRoutes }: { withRoutes: boolean },
): Promise<InstanceNamespace> {
  const { kernel } = context;
  const [own, { inode, id, identity, routes }] = await Promise.all([
    hostInodes(context),
    identify(context, netns, withRoutes),
  ]);
  if (own.includes(inode)) {
    throw new ValidationError('netns', netns, 'the namespace of an instance, not that of the host');
  }
  const known = instancesOf(kernel);
  if (identity === undefined || !known.has(identity)) await refuseNetwork(context, netns, { inode, id });
  if (identity !== undefined) known.add(identity);
  return { identity, routes };
}

/** @throws ValidationError for the namespace of a network */
async function refuseNetwork(
  context: RuleContext,
  netns: NamespaceRef,
  { inode, id }: { inode: number; id: number },
): Promise<void> {
  const { kernel, store } = context;
  // The kernel assigns an id (NSID) to a peer namespace when a link connects the two. The namespace of a network always
  // has one; that of a new container has none (-1), so its links need not be listed.
  const candidates = id >= 0 ? await networksByLinks(context, netns) : [];
  const name = typeof netns === 'string' ? basename(netns).toLowerCase() : '';
  if (isUuid(name) && (await store.get(keys.network(name))) !== undefined) candidates.push(name);
  for (const uuid of candidates) {
    if ((await inodeOf(kernel, uuid)) === inode) {
      throw new ValidationError('netns', netns, 'the namespace of an instance, not that of a network');
    }
  }
}

async function identify(
  { kernel, host }: RuleContext,
  netns: NamespaceRef,
  withRoutes: boolean,
): Promise<NamespaceInfo & { id: number; routes: readonly Route[] }> {
  const place = [
    { op: 'namespace.get', netns },
    { op: 'namespace.id', netns: host.netns, target: netns },
  ] as const;
  try {
    const [info, id, routes = []] = withRoutes
      ? await kernel.queryAll([...place, { op: 'route.list', netns }])
      : await kernel.queryAll(place);
    return { ...info, id, routes };
  } catch (error) {
    if (!isNamespaceMissing(error)) throw error;
    throw new ValidationError('netns', netns, 'a network namespace that exists: a name, a path or a process id');
  }
}

/** Returns the UUIDs of the networks to which the names of the links of a namespace belong. */
async function networksByLinks({ kernel, store }: RuleContext, netns: NamespaceRef): Promise<string[]> {
  const links = await kernel.query('link.list', { netns });
  const vnis = new Set(links.map(({ name }) => vniOfInnerName(name)).filter((vni) => vni !== undefined));
  const networks = await Promise.all([...vnis].map((vni) => networkOfVni(store, vni)));
  return networks.filter((uuid) => uuid !== undefined);
}

async function inodeOf(kernel: Kernel, netns: NamespaceRef): Promise<number | undefined> {
  try {
    return (await kernel.query('namespace.get', { netns })).inode;
  } catch (error) {
    if (isNamespaceMissing(error)) return undefined;
    throw error;
  }
}

/**
 * Returns the MACs of the network itself, which no instance may have: those of the gateway and the bridges.
 * @param nodes names of the nodes of a cluster; each may have a bridge of the network
 */
export function macsOfNetwork({ inner, bridge }: NetworkRecord, nodes: readonly string[]): Set<string> {
  return new Set([inner.mac, bridge.mac, ...nodes.map((node) => bridgeMacOf(bridge.mac, node))]);
}
