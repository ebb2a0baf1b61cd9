import { DnsmasqSupervisor, findRuntimeRoots } from '../dnsmasq/index.js';
import type { RecordedObjects } from '../host/foreign.js';
import { Observer } from '../kernel/ensure/observer.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Link } from '../kernel/link/index.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import { type NftFamily, nftTable } from '../kernel/nftables/index.js';
import type { Operation } from '../kernel/operation.js';
import { deleteMarkedLinks, takeOutOfService } from '../plan/deletion.js';
import { DELETION_GROUP } from '../plan/group.js';
import { isHostTable } from '../plan/host.js';
import { isNetworkNamespace, leftoverLinks } from '../plan/leftovers.js';
import { isSlotNamespaceName, networkOfAlias } from '../plan/names.js';

/*
 * The removal of everything that vethwork provably created in the namespace of a host, after the state folder was lost,
 * or of what is in no record after an adoption. Without records, the marks of kernel objects are the evidence.
 */

/** An object that `purge` removes. */
export interface Leftover {
  kind: 'dnsmasq' | 'namespace' | 'device' | 'link' | 'table';
  /** Name of the link, namespace or table; runtime folder of a dnsmasq. */
  name: string;
  /** UUID of its network. */
  network?: string;
  /** `release`: a device of others leaves its network. It stays down, and keeps its MTU. */
  action: 'remove' | 'release';
  /** Why it could not be removed. */
  error?: string;
}

interface Found extends Leftover {
  remove: () => Promise<Error[]>;
}

export interface PurgeOptions {
  /** Namespace of the host. */
  netns: NamespaceRef | undefined;
  /** Only list. */
  dryRun: boolean;
  /** Reads what is recorded, and stays. Called after the kernel was read: a change is recorded before it is applied. */
  recorded?: () => Promise<Pick<RecordedObjects, 'indexes' | 'networks'> | undefined>;
  /** Called after each object. */
  onProgress?: (progress: { leftover: Leftover; done: number; total: number }) => void;
  signal?: AbortSignal;
}

/**
 * Removes what vethwork created in the namespace of a host. An error of one removal does not prevent the others. What
 * could not be removed is found again by the next call.
 */
export async function purge(kernel: Kernel, options: PurgeOptions): Promise<Leftover[]> {
  const { netns, dryRun, onProgress, signal, recorded } = options;
  const found = await findLeftovers(kernel, netns, recorded);
  const results: Leftover[] = [];
  for (const { remove, ...leftover } of found) {
    signal?.throwIfAborted();
    const errors = dryRun ? [] : await remove().catch((error: Error) => [error]);
    const error = errors.map(({ message }) => message).join('; ');
    const result = { ...leftover, ...(error !== '' && { error }) };
    results.push(result);
    if (!dryRun) onProgress?.({ leftover: result, done: results.length, total: found.length });
  }
  return results;
}

/** Returns the leftovers in the order of their removal: the nftables tables protect the host until the links are gone. */
async function findLeftovers(
  kernel: Kernel,
  netns: NamespaceRef | undefined,
  readRecorded: PurgeOptions['recorded'],
): Promise<Found[]> {
  const observer = new Observer(kernel);
  const links = await observer.links(netns);
  const all = leftoverLinks(links);
  const recorded = await readRecorded?.();
  const isLeft = ({ index, group }: Link) =>
    recorded === undefined || (!recorded.indexes.has(index) && group !== DELETION_GROUP);
  const own = all.own.filter(isLeft);
  const devices = all.devices.filter(isLeft);
  const networks = new Set([...all.networks].filter((uuid) => !recorded?.networks.has(uuid)));
  const pinned = new Set((await kernel.query('namespace.list')).map(({ name }) => name));
  const namespaces: string[] = [];
  for (const uuid of networks) {
    if (pinned.has(uuid) && (await isOfHost(kernel, observer, { netns, uuid, own }))) namespaces.push(uuid);
  }
  const slots = await slotNamespaces(kernel, netns, [...pinned], own);
  // A pinned namespace may be that of another host on this machine, and with it the dnsmasq.
  const ended = [...networks].filter((uuid) => !pinned.has(uuid));
  const roots = findRuntimeRoots(new Set([...namespaces, ...ended]));
  const objects = await kernel.query('nftables.list', { netns, elements: false });
  const teardown = (operations: Operation[]) => async (): Promise<Error[]> => [...(await kernel.teardown(operations))];
  return [
    ...[...roots].flatMap(([uuid, folders]) => [...folders].map((root) => dnsmasq(kernel, uuid, root))),
    ...namespaces.map(
      (uuid): Found => ({
        ...{ kind: 'namespace', name: uuid, network: uuid, action: 'remove' },
        remove: teardown([{ op: 'namespace.delete', name: uuid }]),
      }),
    ),
    ...slots.map(
      ({ name, link }): Found => ({
        ...{ kind: 'namespace', name, ...ofNetwork(link), action: 'remove' },
        remove: teardown([{ op: 'namespace.delete', name }]),
      }),
    ),
    ...devices.map(
      ({ name, index, master }): Found => ({
        ...{ kind: 'device', name, ...ofNetwork(all.own.find((each) => each.index === master)), action: 'release' },
        // Down first: outside the bridge, the host would receive the frames of the instance.
        remove: teardown([
          { op: 'link.set', netns, link: { index }, changes: { up: false } },
          { op: 'link.set', netns, link: { index }, changes: { master: 0, group: 0 } },
        ]),
      }),
    ),
    ...own.map(
      (link, at): Found => ({
        ...{ kind: 'link', name: link.name, ...ofNetwork(link), action: 'remove' },
        remove: teardown([
          ...takeOutOfService(netns, link.index),
          ...(at === own.length - 1 ? deleteLinks(netns, links, own) : []),
        ]),
      }),
    ),
    ...objects
      .filter((each) => recorded === undefined && isHostTable(each))
      .map(({ family, name }): Found => {
        const table = nftTable(family as NftFamily, name as string);
        return {
          ...{ kind: 'table', name: `${family} ${name}`, action: 'remove' },
          remove: teardown([{ op: 'nftables.batch', netns, commands: [table.delete()] }]),
        };
      }),
  ];
}

const ofNetwork = (link: Link | undefined) => {
  const network = networkOfAlias(link?.alias);
  return network === undefined ? {} : { network };
};

/** Finds the namespaces of slots: by their names, and because a link of vethwork leads into them. */
async function slotNamespaces(
  kernel: Kernel,
  netns: NamespaceRef | undefined,
  pinned: readonly (string | undefined)[],
  own: readonly Link[],
): Promise<{ name: string; link: Link }[]> {
  const names = pinned.filter((name) => name !== undefined && isSlotNamespaceName(name)) as string[];
  const found = names.map(async (name) => {
    const id = await kernel.query('namespace.id', { netns, target: name }).catch(() => -1);
    const link =
      id < 0 ? undefined : own.find(({ kind, linkNamespaceId }) => kind === 'veth' && linkNamespaceId === id);
    return link === undefined ? [] : [{ name, link }];
  });
  return (await Promise.all(found)).flat();
}

/** Deletes the links that are out of service: in one message, unless others use the group. */
function deleteLinks(netns: NamespaceRef | undefined, links: readonly Link[], own: readonly Link[]): Operation[] {
  const indexes = new Set(own.map(({ index }) => index));
  const isShared = links.some(({ group, index }) => group === DELETION_GROUP && !indexes.has(index));
  if (!isShared) return deleteMarkedLinks(netns);
  return own.map(({ index }) => ({ op: 'link.delete', netns, link: { index } }));
}

async function isOfHost(
  kernel: Kernel,
  observer: Observer,
  { netns, uuid, own }: { netns: NamespaceRef | undefined; uuid: string; own: readonly Link[] },
): Promise<boolean> {
  if (!(await observer.exists(uuid))) return false;
  const [inner, id] = await Promise.all([observer.links(uuid), kernel.query('namespace.id', { netns, target: uuid })]);
  return isNetworkNamespace(uuid, { outer: own, inner, id });
}

function dnsmasq(kernel: Kernel, network: string, root: string): Found {
  return {
    ...{ kind: 'dnsmasq', name: root, network, action: 'remove' },
    remove: async () => {
      const supervisor = new DnsmasqSupervisor(kernel, { root });
      await supervisor.stop({ network, netns: network });
      await supervisor.leave();
      await supervisor.close();
      return [];
    },
  };
}
