import { interfaceTitle, type NetworkState } from '../desired/network-state.js';
import { interfaceResource } from '../desired/resources.js';
import { type Context, teardown } from '../host/context.js';
import { deviceAttachment } from '../host/device.js';
import type { Observer } from '../kernel/ensure/observer.js';
import type { Link } from '../kernel/link/index.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import { removeInterface } from '../operations/detach.js';
import { removeBinding } from '../operations/unbind.js';
import type { DesiredAttachment } from '../plan/desired.js';
import { DELETION_GROUP } from '../plan/group.js';
import { containerNamespace } from '../plan/interface.js';
import { inactiveOf } from '../records/binding.js';
import { isFreeSlot } from '../records/pools.js';
import { type Binding, type InterfaceRecord, type IsDue, keys, type NetworkRecord } from '../records/records.js';
import { transact } from '../store/transaction.js';
import { throwFirst } from '../util/errors.js';
import type { Repair } from './repair.js';

/*
 * Containers end and devices are unplugged without a call of vethwork, and new ones may have the same names, paths and
 * pids. The attachment of an interface is therefore identified by properties that are not reused: a namespace by its
 * identity (SO_NETNS_COOKIE and boot id), a device by its name and MAC.
 */

/** Presence of the container or device of an interface. */
export type Presence =
  | { state: 'present' }
  /**
   * The namespace exists, but not under the recorded path: only the end of the veth pair on the host can be repaired.
   */
  | { state: 'unreachable' }
  | { state: 'gone'; what: string }
  /** The record is outdated: a device that was plugged in again, or a namespace without a recorded identity. */
  | { state: 'found'; what: string; attachment: DesiredAttachment };

const PRESENT: Presence = { state: 'present' };

type Of<Kind extends DesiredAttachment['kind']> = Extract<DesiredAttachment, { kind: Kind }>;

/** Returns the presence of the container or device of an interface of this node. */
export async function presenceOf(
  context: Context,
  { attachment }: InterfaceRecord,
  observer: Observer,
): Promise<Presence> {
  if (attachment.kind === 'tap') return PRESENT;
  const links = async () => (await observer.links(context.host.netns)).filter(({ group }) => group !== DELETION_GROUP);
  return attachment.kind === 'device'
    ? devicePresence(attachment, await links())
    : containerPresence(context, attachment, links, observer);
}

function devicePresence(attachment: Of<'device'>, links: readonly Link[]): Presence {
  const { name, index, mac } = attachment;
  if (links.some((link) => link.index === index && (link.name === name || link.address === mac))) return PRESENT;
  const found = links.find((link) => link.name === name && link.address === mac && !link.master);
  if (found === undefined) return { state: 'gone', what: `the device ${name}` };
  return { state: 'found', what: `attach ${name} again`, attachment: deviceAttachment(found) };
}

async function containerPresence(
  { kernel }: Context,
  attachment: Of<'veth'>,
  links: () => Promise<readonly Link[]>,
  observer: Observer,
): Promise<Presence> {
  const { netns, identity, index, innerIndex } = attachment;
  const gone: Presence = { state: 'gone', what: `its namespace ${netns}` };
  if (identity !== undefined) {
    if (await observer.exists(containerNamespace(attachment))) return PRESENT;
    // The deletion of a namespace deletes both ends of a pair.
    return (await links()).some((link) => link.index === index) ? { state: 'unreachable' } : gone;
  }
  // Recorded by an earlier version, without an identity: the inner end of the pair identifies the namespace.
  if (!(await observer.links(netns)).some((link) => link.index === innerIndex && link.kind === 'veth')) return gone;
  const there = await kernel.query('namespace.get', { netns });
  if (there.identity === undefined) return PRESENT;
  const what = `record the identity of ${netns}`;
  return { state: 'found', what, attachment: { ...attachment, identity: there.identity } };
}

/** Result of `checkPresence`. */
export interface PresenceReport {
  repairs: Repair[];
  /** The recorded state with lost interfaces marked as `lost`. */
  state: NetworkState;
  /** Namespaces in which nothing can be repaired. */
  unreachable: ReadonlySet<NamespaceRef | undefined>;
}

/**
 * Checks that the containers and devices of the interfaces of this node exist. Interfaces of other nodes are not
 * checked.
 */
export async function checkPresence(
  context: Context,
  recorded: NetworkState,
  observer: Observer,
): Promise<PresenceReport> {
  const repairs: Repair[] = [];
  const members: InterfaceRecord[] = [];
  const unreachable = new Set<NamespaceRef | undefined>();
  for (const member of recorded.members) {
    const inactive = member.migration?.state === 'created' ? inactiveOf(member) : undefined;
    if (inactive !== undefined && inactive.node === context.node) {
      const presence = await presenceOf(context, inactive, observer);
      if (presence.state !== 'gone') {
        members.push(member);
        continue;
      }
      const { migration, ...rest } = member;
      repairs.push({
        action: 'remove',
        description: `${interfaceTitle(recorded.network, inactive)}: ${presence.what} is gone, and the migration is aborted`,
        interface: member.uuid,
        run: () => removeBinding(context, member.uuid, { ...(migration && { id: migration.id }), isDue: isTarget }),
      });
      members.push(rest);
      continue;
    }
    if (member.node !== context.node || member.state !== 'created') {
      members.push(member);
      continue;
    }
    const presence = await presenceOf(context, member, observer);
    const title = interfaceTitle(recorded.network, member);
    if (presence.state === 'gone') {
      const lost: InterfaceRecord = { ...member, lost: `${presence.what} is gone` };
      if (member.slot?.isFree) {
        repairs.push({
          action: 'remove',
          description: `${title}: ${lost.lost}, and the free slot is removed`,
          interface: member.uuid,
          run: () => removeInterface(context, member.uuid, { haloMs: 0, isDue: isFreeSlot }),
        });
      } else if (member.lost === undefined) {
        repairs.push({
          action: 'mark-lost',
          description: `${title}: ${lost.lost}, and the interface is lost`,
          ...{ interface: member.uuid, event: 'interface.lost' },
          run: () => markLost(context, recorded.network, member, lost),
        });
      }
      members.push(lost);
      continue;
    }
    if (presence.state === 'found') {
      const { lost: _, ...found } = { ...member, attachment: presence.attachment };
      repairs.push({
        action: 'update-record',
        description: `${title}: ${presence.what}`,
        interface: member.uuid,
        run: () => replaceRecord(context, member, found),
      });
      // Missing objects of it are repaired like those of other interfaces.
      members.push(found);
      continue;
    }
    if (presence.state === 'unreachable' && member.attachment.kind === 'veth') {
      unreachable.add(containerNamespace(member.attachment));
    }
    members.push(member);
  }
  return { repairs, state: { ...recorded, members }, unreachable };
}

const isTarget: IsDue = (binding) => !(binding as Binding).isSource;

/** Replaces a record if it is unchanged since it was read. Resolves to false otherwise. */
function replaceRecord({ store }: Context, before: InterfaceRecord, after: InterfaceRecord): Promise<boolean> {
  return transact(store, async (transaction) => {
    const now = await transaction.get<InterfaceRecord>(keys.interface(before.uuid));
    if (JSON.stringify(now) !== JSON.stringify(before)) return false;
    transaction.put(keys.interface(before.uuid), after);
    return true;
  });
}

/** Records that an interface is lost, and removes the rest of it from the kernel. Its address stays reserved. */
async function markLost(
  context: Context,
  network: NetworkRecord,
  before: InterfaceRecord,
  after: InterfaceRecord,
): Promise<void> {
  if (!(await replaceRecord(context, before, after))) return;
  throwFirst(await teardown(context, interfaceResource(context.localNode, network, before)?.removal() ?? []));
}
