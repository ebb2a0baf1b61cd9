import { bindingResource, floatingResource, interfaceResource, resourceId } from '../desired/resources.js';
import { RemovalError } from '../errors.js';
import { asCall, type Context } from '../host/context.js';
import { type EndingNamespace, endingNamespace } from '../host/namespace-users.js';
import type { RequireFree } from '../records/contention.js';
import { releaseInterface } from '../records/members.js';
import { networkOf } from '../records/queries.js';
import { always, type InterfaceRecord, keys, type NetworkRecord } from '../records/records.js';
import { type Transaction, transact } from '../store/transaction.js';
import { removeFloating } from './defloat.js';
import { isReusable, releaseToPool } from './release.js';
import { markForDeletion, type RemovalOptions } from './removal.js';

/** Removes an interface with its floating address. Does nothing if it does not exist. @throws RemovalError */
export function detach(
  context: Context,
  { uuid, network }: Pick<InterfaceRecord, 'uuid' | 'network'>,
  signal?: AbortSignal,
): Promise<void> {
  const { locks } = context;
  const remove = async () => {
    // A floating address is not part of a slot.
    if ((await readSlot(context, uuid))?.floating !== undefined) await removeFloating(context, uuid, { signal });
    return removeInterface(context, uuid, { haloMs: context.settings.deletionHalo, signal, mayReuse: true });
  };
  return asCall(context, () => locks.shared(network, () => locks.exclusive(uuid, remove), signal));
}

/** Options of `removeInterface`. */
export interface InterfaceRemoval extends RemovalOptions<{ network: NetworkRecord; nic: InterfaceRecord }> {
  /** Time before its address is reused, in milliseconds. */
  haloMs: number;
  /**
   * A claimed slot is released to its pool if nothing of its user remains. Default false: it is removed, unless its release
   * was interrupted.
   */
  mayReuse?: boolean;
}

async function readSlot({ store }: Context, uuid: string): Promise<InterfaceRecord | undefined> {
  const nic = (await store.get<InterfaceRecord>(keys.interface(uuid)))?.value;
  return nic?.slot && nic;
}

/**
 * As `detach`; the caller holds the lock of the interface. Runs all steps, whatever fails. After errors the record
 * stays without a claim, so that reconciliation retries the removal.
 * @throws RemovalError
 */
export function removeInterface(context: Context, uuid: string, options: InterfaceRemoval): Promise<void> {
  return context.pendingRemovals.track({ interfaces: 1 }, async () => {
    const { isDue = always } = options;
    const mark = async (transaction: Transaction, requireFree: RequireFree) => {
      const nic = await transaction.get<InterfaceRecord>(keys.interface(uuid));
      if (nic === undefined || !isDue(nic)) return undefined;
      const network = await networkOf(transaction, nic.network);
      requireFree(`interface ${uuid}`, nic, nic.floating, nic.migration, network);
      const isReleasing = options.mayReuse === true && (await isReusable(transaction, nic));
      const deleting: InterfaceRecord = {
        ...{ ...nic, state: 'deleting', claim: context.owner.claim() },
        ...(isReleasing && nic.slot && { slot: { ...nic.slot, isReleasing } }),
      };
      transaction.put(keys.interface(uuid), deleting);
      return { network, nic: deleting };
    };
    const marked = await markForDeletion(context, mark, options);
    if (marked === undefined) return;
    const { network, revision } = marked;
    let { nic } = marked;
    if (nic.slot?.isReleasing) {
      if (await releaseToPool(context, network, nic)) return;
      nic = await endRelease(context, nic);
    }
    const { coordinator, localNode } = context;
    const resources = [
      interfaceResource(localNode, network, nic),
      bindingResource(localNode, network, nic),
      // Last in this list: resources are removed in reverse order.
      floatingResource(localNode, network, nic),
    ].filter((resource) => resource !== undefined);
    const namespace = ownedNamespace(nic);
    // A namespace that is removed cannot be entered any more.
    const sockets = namespace === undefined ? 0 : await countSockets(context, nic);
    const errors = await coordinator.remove({
      ...{ network, revision, resources, members: [nic], isCreated: options.isCreated ?? true },
      ids: [resourceId.interface(uuid), resourceId.binding(uuid), resourceId.floating(uuid)],
    });
    await concludeRemoval(context, network, uuid, errors, options.haloMs);
    if (namespace !== undefined) reportUsers(context, nic, namespace, sockets);
  });
}

function ownedNamespace({ attachment }: InterfaceRecord): EndingNamespace | undefined {
  if (attachment.kind !== 'veth' || !attachment.isOwned) return undefined;
  return endingNamespace(String(attachment.netns), attachment.identity);
}

/** Number of sockets in the namespace of an interface, of any process. */
async function countSockets({ kernel }: Context, { attachment }: InterfaceRecord): Promise<number> {
  if (attachment.kind !== 'veth') return 0;
  // It is being removed, whether it can be read or not.
  return kernel.query('namespace.sockets', { netns: attachment.netns }).catch(() => 0);
}

/**
 * Records an event if sockets were open in the namespace of an interface that was removed, or processes still use it. In the
 * background.
 */
function reportUsers(
  { calls, events, namespaceUsers }: Context,
  { network, uuid }: InterfaceRecord,
  namespace: EndingNamespace,
  sockets: number,
): void {
  const began = performance.now();
  const report = async () => {
    const pids = await namespaceUsers.find(namespace);
    if (pids.length + sockets === 0) return;
    const detail = [
      ...(pids.length > 0 ? [`processes ${pids.join(', ')} still use its namespace`] : []),
      ...(sockets > 0 ? [`${sockets} sockets were open in its namespace`] : []),
    ].join('; ');
    await events.record({ event: 'interface.busy', cause: 'supervision', network, interface: uuid, detail }, { began });
  };
  void calls.track(report).catch(() => undefined);
}

/** Records that a slot is removed, and not released: dnsmasq does not keep its reservation. */
async function endRelease({ store }: Context, nic: InterfaceRecord): Promise<InterfaceRecord> {
  const { slot, ...rest } = nic;
  const { isReleasing: _, ...kept } = slot as NonNullable<typeof slot>;
  const removed: InterfaceRecord = { ...rest, slot: kept };
  await transact(store, async (transaction) => {
    if ((await transaction.get(keys.interface(nic.uuid))) !== undefined) {
      transaction.put(keys.interface(nic.uuid), removed);
    }
  });
  return removed;
}

/** Releases the reservations of an interface. After errors its record stays without a claim. @throws RemovalError */
async function concludeRemoval(
  context: Context,
  network: NetworkRecord,
  uuid: string,
  errors: readonly Error[],
  haloMs: number,
): Promise<void> {
  await transact(context.store, async (transaction) => {
    const record = await transaction.get<InterfaceRecord>(keys.interface(uuid));
    if (record === undefined) return;
    if (errors.length === 0) return releaseInterface(transaction, context, network, record, haloMs);
    const { claim: _, ...rest } = record;
    transaction.put(keys.interface(uuid), rest);
  });
  if (errors.length > 0) throw new RemovalError(`interface ${uuid}`, errors);
}
