import { ConflictError } from '../errors.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Link } from '../kernel/link/index.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import { DELETION_GROUP } from '../plan/group.js';
import { isHostTable } from '../plan/host.js';
import { leftoverLinks } from '../plan/leftovers.js';
import { isHostAlias, stateDirOfAlias } from '../plan/names.js';
import { networkLinks } from '../plan/network.js';
import type { HostRecord } from '../records/records.js';
import { isLinkMissing } from './detect.js';
import { findStoreUser, storeUserText } from './store-users.js';
import { storedHost, storedRecords } from './stored-settings.js';

/*
 * One state folder serves a network namespace. Two would rewrite each other's nftables tables. The objects of another
 * one are recognised by the alias of links and the names of tables.
 */

const EXPLANATION =
  'another state folder serves this network namespace, or its state was lost. Open the host with that state folder ' +
  '(vethwork --state-dir DIR status), or rebuild the records with "vethwork adopt", or remove what is left of it with ' +
  '"vethwork purge" (list it first: --dry-run)';

/** Most networks that a message lists. */
const MOST_LISTED = 3;

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
  if (found !== undefined) throw new ConflictError(await explanation(kernel, netns, found, state));
}

async function explanation(
  kernel: Kernel,
  netns: NamespaceRef | undefined,
  found: string,
  state: string,
): Promise<string> {
  const { own, networks } = leftoverLinks(await kernel.query('link.list', { netns }));
  const bridge = own.find(({ alias }) => isHostAlias(alias));
  const user = bridge && findStoreUser(bridge);
  const start = `${found} is not recorded in ${state}`;
  if (user !== undefined && !user.isRemoved) return `${start}: ${storeUserText(user)}. Use that state folder`;
  const other = bridge && (await stateFolderOf(bridge));
  if (other !== undefined) return `${start}: it is recorded in ${other}. Use that state folder`;
  const uuids = [...networks];
  const listed = uuids.slice(0, MOST_LISTED).join(', ') + (uuids.length > MOST_LISTED ? ', …' : '');
  const all = `found ${own.length} links of ${uuids.length} networks${uuids.length === 0 ? '' : ` (${listed})`}`;
  const ending = user === undefined ? '' : `. ${storeUserText(user)}: end it first`;
  return `${start}: ${EXPLANATION}; ${all}${ending}`;
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
  return isHostAlias(link.alias) && link.index !== egressBridge.index ? describe(link) : undefined;
}

async function anyObject(kernel: Kernel, netns: NamespaceRef | undefined): Promise<string | undefined> {
  // Links that are marked for deletion may be left of a host that was removed.
  const { own } = leftoverLinks(await kernel.query('link.list', { netns }));
  const links = own.filter(({ group }) => group !== DELETION_GROUP);
  const link = links.find(({ alias }) => isHostAlias(alias)) ?? links[0];
  if (link !== undefined) return describe(link);
  const objects = await kernel.query('nftables.list', { netns, elements: false });
  const table = objects.find(isHostTable);
  return table && `the nftables table ${table.family} ${table.name}`;
}

const describe = ({ name, alias, index }: Link): string =>
  `${isHostAlias(alias) ? 'the egress bridge' : 'the link'} ${name} (index ${index})`;

/**
 * Returns the state folder that the alias of an egress bridge names, if the bridge is recorded there: the state is not
 * lost. Undefined if it is, or if this user cannot read it.
 */
export async function stateFolderOf({ alias, index }: Link): Promise<string | undefined> {
  const folder = stateDirOfAlias(alias);
  if (folder === undefined) return undefined;
  const record = await storedHost(folder).catch(() => undefined);
  return record?.egressBridge.index === index ? folder : undefined;
}

/** Checks before a removal that the state of a host is lost. @throws ConflictError if a folder or process has it */
export async function requireLostState(kernel: Kernel, netns: NamespaceRef | undefined): Promise<void> {
  const { own } = leftoverLinks(await kernel.query('link.list', { netns }));
  const bridge = own.find(({ alias }) => isHostAlias(alias));
  if (bridge !== undefined) await refuseKnownState(bridge);
}

/** @throws ConflictError if a process has the state of a host open, or a folder has it */
export async function refuseKnownState(bridge: Link): Promise<void> {
  const user = findStoreUser(bridge);
  if (user !== undefined) {
    const advice = user.isRemoved ? 'end it first' : 'the state is not lost: use that folder';
    throw new ConflictError(`${storeUserText(user)}, and uses ${bridge.name}: ${advice}`);
  }
  const folder = await stateFolderOf(bridge);
  if (folder === undefined) return;
  throw new ConflictError(`${bridge.name} is recorded in ${folder}: the state is not lost: use that folder`);
}

/** What a state folder has recorded of a host. */
export interface RecordedObjects {
  /** Text for the egress bridge. */
  bridge: string;
  /** Indexes of links in the namespace of the host. */
  indexes: ReadonlySet<number>;
  /** UUIDs. */
  networks: ReadonlySet<string>;
}

/** Returns what a state folder has recorded, if the recorded egress bridge exists in the namespace. */
export async function recordedObjects(
  kernel: Kernel,
  netns: NamespaceRef | undefined,
  state: string,
): Promise<RecordedObjects | undefined> {
  const known = await storedHost(state);
  if (known === undefined) return undefined;
  const links = await kernel.query('link.list', { netns });
  const bridge = links.find(({ alias, index }) => isHostAlias(alias) && index === known.egressBridge.index);
  if (bridge === undefined) return undefined;
  const { networks, interfaces } = await storedRecords(state);
  return {
    bridge: describe(bridge),
    networks: new Set(networks.map(({ uuid }) => uuid)),
    indexes: new Set([
      bridge.index,
      ...networks.flatMap(networkLinks),
      ...interfaces.flatMap(({ attachment, floating }) => [
        attachment.index,
        ...(floating ? [floating.pair.outer] : []),
      ]),
    ]),
  };
}
