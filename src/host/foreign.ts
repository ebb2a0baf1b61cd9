import { ConflictError } from '../errors.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Link } from '../kernel/link/index.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import { DELETION_GROUP } from '../plan/group.js';
import { isHostTable } from '../plan/host.js';
import { leftoverLinks } from '../plan/leftovers.js';
import { HOST_ALIAS } from '../plan/names.js';
import type { HostRecord } from '../records/records.js';
import { isLinkMissing } from './detect.js';
import { storedHost } from './stored-settings.js';

/*
 * One state folder serves a network namespace. Two would rewrite each other's nftables tables. The objects of another
 * one are recognised by the alias of links and the names of tables.
 */

const EXPLANATION =
  'another state folder serves this network namespace, or its state was lost. Open the host with that state folder ' +
  '(vethwork --state-dir DIR status), or remove what is left of it with "vethwork purge" (list it first: --dry-run)';

/**
 * Checks that the namespace has no objects of a host with another state folder.
 * @param state the state folder
 * @param recorded reads the recorded host; undefined for a new one
 * @throws ConflictError that names an object
 */
export async function refuseOtherHost(
  kernel: Kernel,
  netns: NamespaceRef | undefined,
  { state, recorded }: { state: string; recorded: () => Promise<HostRecord | undefined> },
): Promise<void> {
  let known = await recorded();
  let found: string | undefined;
  if (known === undefined) {
    found = await anyObject(kernel, netns);
    if (found === undefined) return;
    // Another process may have created this host meanwhile. The record is written before the objects.
    known = await recorded();
  }
  if (known !== undefined) found = await otherBridge(kernel, netns, known);
  if (found !== undefined) throw new ConflictError(`${found} is not recorded in ${state}: ${EXPLANATION}`);
}

/** One query, whatever the number of networks. */
async function otherBridge(
  kernel: Kernel,
  netns: NamespaceRef | undefined,
  { egressBridge }: HostRecord,
): Promise<string | undefined> {
  let link: Link;
  try {
    link = await kernel.query('link.get', { netns, link: { name: egressBridge.name } });
  } catch (error) {
    if (isLinkMissing(error)) return undefined;
    throw error;
  }
  return link.alias === HOST_ALIAS && link.index !== egressBridge.index ? describe(link) : undefined;
}

async function anyObject(kernel: Kernel, netns: NamespaceRef | undefined): Promise<string | undefined> {
  // Links that are marked for deletion may be left of a host that was removed.
  const { own } = leftoverLinks(await kernel.query('link.list', { netns }));
  const links = own.filter(({ group }) => group !== DELETION_GROUP);
  const link = links.find(({ alias }) => alias === HOST_ALIAS) ?? links[0];
  if (link !== undefined) return describe(link);
  const objects = await kernel.query('nftables.list', { netns, elements: false });
  const table = objects.find(isHostTable);
  return table && `the nftables table ${table.family} ${table.name}`;
}

const describe = ({ name, alias, index }: Link): string =>
  `${alias === HOST_ALIAS ? 'the egress bridge' : 'the link'} ${name} (index ${index})`;

/** Describes the egress bridge if a state folder has recorded it and it exists in the namespace. */
export async function recordedBridge(
  kernel: Kernel,
  netns: NamespaceRef | undefined,
  state: string,
): Promise<string | undefined> {
  const known = await storedHost(state);
  if (known === undefined) return undefined;
  const links = await kernel.query('link.list', { netns });
  const bridge = links.find(({ alias, index }) => alias === HOST_ALIAS && index === known.egressBridge.index);
  return bridge && describe(bridge);
}
