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
import { bridgeMacOf } from '../plan/mesh.js';
import { isVethworkLink, vniOfInnerName } from '../plan/names.js';
import { keys, type NetworkRecord } from '../records/records.js';
import { isUuid } from '../util/validate.js';

/*
 * What can't be attached because the host or a network needs it. Links and namespaces are known by what they are, not by
 * what they are called: names have aliases, and namespaces many paths.
 */

type Where = Pick<Context, 'kernel' | 'host' | 'settings' | 'detected' | 'store'>;

/** Of an attached device there is one further link below it at most, unless somebody is very inventive. */
const MOST_LAYERS = 8;

/** @throws ValidationError for a link that the host needs, that is ours, or that can't be a port */
export async function refuseDevice(context: Where, link: Link, name: string): Promise<void> {
  const refuse = (expected: string) => new ValidationError('device', name, expected);
  if (link.name === 'lo') throw refuse('a link other than the loopback');
  if (isVethworkLink(link)) throw refuse('a link that is not one of a network or of the host');
  if (link.kind === 'bridge') throw refuse('a link other than a bridge, which can not be a port of another one');
  const needed = await linksBelow(context);
  if (needed.has(link.index)) throw refuse('a link other than the NICs of the host, and those below them');
}

/** The NICs of a host with what they are on top of, by index. */
async function linksBelow({ kernel, host, settings, detected }: Where): Promise<Set<number>> {
  const { netns } = host;
  const found = new Set([detected.underlay.index]);
  for (const nic of new Set([settings.egressNic, settings.meshNic])) {
    let link = await findLink(kernel, netns, nic);
    found.add(link.index);
    for (let layer = 0; layer < MOST_LAYERS; layer++) {
      const below = indexBelow(link);
      if (below === undefined) break;
      link = await kernel.query('link.get', { netns, link: { index: below } });
      found.add(link.index);
    }
  }
  return found;
}

/** Of a veth `link` is the other end, and of a tunnel what it goes through: neither is below it. */
function indexBelow({ kind = '', link, linkNamespaceId }: Link): number | undefined {
  return linkNamespaceId === undefined && ['vlan', 'macvlan', 'ipvlan'].includes(kind) ? link : undefined;
}

/** Inodes of the host's namespace and of the process's: their kernel's sockets keep both from being used again. */
const inodes = new WeakMap<Kernel, Promise<readonly number[]>>();

function hostInodes({ kernel, host }: Where): Promise<readonly number[]> {
  const known = inodes.get(kernel);
  if (known !== undefined) return known;
  const where = host.netns === undefined ? {} : { netns: host.netns };
  const look = Promise.all([kernel.query('namespace.get', where), kernel.query('namespace.get')]).then((namespaces) =>
    namespaces.map(({ inode }) => inode),
  );
  inodes.set(kernel, look);
  look.catch(() => inodes.delete(kernel));
  return look;
}

/**
 * @returns the namespace's identity
 * @throws ValidationError if it is no network namespace, that of the host or of this process, or that of a network
 */
export async function requireInstanceNamespace(context: Where, netns: NamespaceRef): Promise<string | undefined> {
  const { kernel, host, store } = context;
  const [own, { inode, id, identity }] = await Promise.all([hostInodes(context), identify(kernel, host.netns, netns)]);
  if (own.includes(inode)) {
    throw new ValidationError('netns', netns, 'the namespace of an instance, not that of the host');
  }
  // The kernel numbers a namespace for another one when a link connects them: a network's has a number always, that of a
  // new container none.
  const candidates = id >= 0 ? await networksByLinks(context, netns) : [];
  const name = typeof netns === 'string' ? basename(netns).toLowerCase() : '';
  if (isUuid(name) && (await store.get(keys.network(name))) !== undefined) candidates.push(name);
  for (const uuid of candidates) {
    if ((await inodeOf(kernel, uuid)) === inode) {
      throw new ValidationError('netns', netns, 'the namespace of an instance, not that of a network');
    }
  }
  return identity;
}

async function identify(
  kernel: Kernel,
  from: NamespaceRef | undefined,
  netns: NamespaceRef,
): Promise<NamespaceInfo & { id: number }> {
  try {
    const [info, id] = await Promise.all([
      kernel.query('namespace.get', { netns }),
      kernel.query('namespace.id', { netns: from, target: netns }),
    ]);
    return { ...info, id };
  } catch (error) {
    if (!isNamespaceMissing(error)) throw error;
    throw new ValidationError('netns', netns, 'a network namespace that exists: a name, a path or a process id');
  }
}

/** Networks whose links a namespace has, by the names of these. */
async function networksByLinks({ kernel, store }: Where, netns: NamespaceRef): Promise<string[]> {
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
 * MACs of the network itself: no instance may have one of them.
 * @param nodes names of the nodes of a cluster: each has a bridge of the network, or may have one
 */
export function macsOfNetwork({ inner, bridge }: NetworkRecord, nodes: readonly string[]): Set<string> {
  return new Set([inner.mac, bridge.mac, ...nodes.map((node) => bridgeMacOf(bridge.mac, node))]);
}
