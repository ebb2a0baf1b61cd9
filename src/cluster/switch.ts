import { participants } from '../desired/desired-state.js';
import { resourceId } from '../desired/resources.js';
import { ConflictError, NodeTimeoutError } from '../errors.js';
import { asCall } from '../host/context.js';
import type { SwitchRequest } from '../host/coordinator.js';
import { interfaceCounters, sumOf } from '../operations/counters.js';
import { removeBinding } from '../operations/unbind.js';
import { switched } from '../records/binding.js';
import { interfaceOf, readInterface } from '../records/queries.js';
import { type Binding, type InterfaceRecord, keys, type NetworkRecord } from '../records/records.js';
import type { Change } from '../store/etcd/replica.js';
import { type Transaction, transact } from '../store/transaction.js';
import { onAbort } from '../util/abort.js';
import { membersIn } from './membership.js';
import { routerIn } from './network-nodes.js';
import { peekState } from './records.js';
import type { ClusterContext } from './types.js';
import { waitForNodes } from './waiting.js';

/*
 * The switch of a migration. The caller asks the source to switch. The agent of the source closes its port, and makes the
 * target the owner in one transaction (`handOver`). All agents see that transaction at the same time: the target opens its
 * port, the other nodes change their mesh entries. So two nodes never answer, and an agent that ends leaves the interface
 * on one node: the source before the transaction, the target after it.
 */

/** A record during a migration. */
type Migrating = InterfaceRecord & { node: string; migration: Binding };

/** @throws ConflictError if a node is gone */
export function requireMember({ store }: ClusterContext, name: string): void {
  if (!isMember({ store }, name)) throw new ConflictError(`node ${name} is gone: its agent does not run`);
}

const isMember = ({ store }: Pick<ClusterContext, 'store'>, name: string) =>
  membersIn(store).some((member) => member.name === name);

/** Switches an interface to the target of its migration, and removes it from the source. */
export function switchInterface(
  context: ClusterContext,
  uuid: string,
  { id, waitForSource, signal }: SwitchRequest,
): Promise<InterfaceRecord> {
  const { locks } = context;
  const work = async () => {
    signal?.throwIfAborted();
    const { result: nic, revision } = await begin(context, uuid, { id, waitForSource });
    if (!nic.migration.isSource) await ownerChanged(context, nic, { revision, signal });
    try {
      await applied(context, uuid, signal);
    } finally {
      // What it cannot remove is left to reconciliation.
      await removeBinding(context, uuid, { id }).catch(() => undefined);
    }
    return readInterface(context, uuid);
  };
  return asCall(context, async () => {
    const { network } = await readInterface(context, uuid);
    return locks.shared(network, () => locks.exclusive(uuid, work), signal);
  });
}

/** Asks the source to switch. Without the source, switches at once. Resolves to the changed record, and its revision. */
async function begin(
  context: ClusterContext,
  uuid: string,
  { id, waitForSource }: Pick<SwitchRequest, 'id' | 'waitForSource'>,
): Promise<{ result: Migrating; revision: number }> {
  return context.coordinator.commit(async (transaction) => {
    const nic = await migratingOf(transaction, uuid, id);
    if (nic.migration.isSource) return nic;
    if (nic.migration.state !== 'created')
      throw new ConflictError(`the migration of interface ${uuid} is not prepared`);
    requireMember(context, nic.migration.node);
    if (waitForSource && !isMember(context, nic.node)) {
      const text = `node ${nic.node} is gone, so it cannot close its port: set waitForSource to false if the instance does not run there any more`;
      throw new ConflictError(text);
    }
    const migration: Binding = { ...nic.migration, isSwitching: true, claim: context.owner.claim() };
    const asked: Migrating = { ...nic, migration };
    const changed = waitForSource
      ? asked
      : (switched(asked, {
          carried: nic.carried,
          isUncounted: isMember(context, nic.node),
        }) as Migrating);
    transaction.put(keys.interface(uuid), changed);
    return changed;
  });
}

/** Returns an interface with a migration. @throws NotFoundError, ConflictError */
async function migratingOf(transaction: Transaction, uuid: string, id: string): Promise<Migrating> {
  const nic = await interfaceOf(transaction, uuid);
  if (nic.state !== 'created') throw new ConflictError(`interface ${uuid} is in state ${nic.state}`);
  if (nic.migration?.id !== id) throw new ConflictError(`the migration of interface ${uuid} has ended`);
  return nic as Migrating;
}

const asCarried = ({ sent, received }: NonNullable<InterfaceRecord['carried']>) => ({
  sent: { ...sent },
  received: { ...received },
});

/**
 * Waits until the source has made the target the owner. If it does not, the interface stays on the source.
 * @throws NodeTimeoutError, ConflictError if the migration was aborted
 */
async function ownerChanged(
  context: ClusterContext,
  nic: Migrating,
  { revision, signal }: { revision: number; signal: AbortSignal | undefined },
): Promise<void> {
  const { store, nodeTimeout } = context;
  const { uuid, node, migration } = nic;
  const began = performance.now();
  const timedOut = (late: string, gone: string[]) =>
    new NodeTimeoutError([late], gone, Math.round(performance.now() - began));
  try {
    await new Promise<void>((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer);
        unsubscribe();
        removeAbortListener();
        settle();
      };
      const late = (gone: string[]) => end(() => reject(timedOut(node, gone)));
      const check = (changes: readonly Change[]) => {
        const now = store.peek<InterfaceRecord>(keys.interface(uuid))?.value;
        const isRemoved = changes.some(({ key, after }) => key === keys.interface(uuid) && after === undefined);
        if (now?.migration?.id === migration.id && now.migration.isSource) return end(resolve);
        if (isRemoved || (now !== undefined && now.migration?.id !== migration.id))
          return end(() => reject(new ConflictError(`the migration of interface ${uuid} was aborted`)));
        // The source has found that the target is gone.
        if (now !== undefined && !now.migration?.isSwitching && store.revision >= revision)
          return end(() => reject(timedOut(migration.node, [migration.node])));
        return isMember(context, node) ? undefined : late([node]);
      };
      const timer = setTimeout(() => late(isMember(context, node) ? [] : [node]), nodeTimeout);
      const unsubscribe = store.onChange(check);
      const removeAbortListener = onAbort(signal, () => end(() => reject(signal?.reason)));
      check([]);
    });
  } catch (error) {
    // Unless the source has switched meanwhile.
    if (await withdraw(context, uuid, migration.id)) throw error;
  }
}

/** Withdraws the request to the source. Resolves to false if it has switched. */
export function withdraw({ store }: ClusterContext, uuid: string, id: string): Promise<boolean> {
  return transact(store, async (transaction) => {
    const nic = await transaction.get<InterfaceRecord>(keys.interface(uuid));
    if (nic?.migration?.id !== id) return true;
    if (nic.migration.isSource) return false;
    const { isSwitching: _, claim: __, ...prepared } = nic.migration;
    transaction.put(keys.interface(uuid), { ...nic, migration: prepared });
    return true;
  });
}

/** Waits until the nodes have applied the switch: the target must, the others while they are members. */
async function applied(context: ClusterContext, uuid: string, signal: AbortSignal | undefined): Promise<void> {
  const { store } = context;
  const entry = await store.get<InterfaceRecord>(keys.interface(uuid));
  if (entry === undefined) return;
  const { network, node } = entry.value;
  const router = () => routerIn(store, store.peek<NetworkRecord>(keys.network(network))?.value ?? {});
  await waitForNodes(context, {
    ...{ network, revision: entry.version, ids: [resourceId.network, resourceId.interface(uuid)], signal },
    essential: () => (node === undefined ? [] : [node]),
    awaited: () => [router()],
    others: participants(router(), peekState(store, network)?.members ?? []),
  });
}

/**
 * Makes the target of a migration the owner, in one transaction. The port of this node must be closed. Does nothing if
 * that is not due any more.
 */
export async function handOver(context: ClusterContext, nic: InterfaceRecord): Promise<void> {
  const carried = asCarried(await interfaceCounters(context, nic));
  const key = keys.interface(nic.uuid);
  await transact(context.store, async (transaction) => {
    const now = await transaction.get<InterfaceRecord>(key);
    if (now === undefined || now.migration?.id !== nic.migration?.id || !isDueToHandOver(context, now)) return;
    transaction.put(key, switched(now as Migrating, { carried }));
  });
}

/** Adds the counters of this node to those that are carried, for interfaces that were switched without it. */
export async function countMoved(context: ClusterContext, members: readonly InterfaceRecord[]): Promise<void> {
  const { store, node } = context;
  for (const { carried: _, ...member } of members) {
    const { uuid, migration } = member;
    if (!migration?.isUncounted || migration.node !== node) continue;
    const here = await interfaceCounters(context, { ...member, node, attachment: migration.attachment });
    await transact(store, async (transaction) => {
      const nic = await transaction.get<InterfaceRecord>(keys.interface(uuid));
      if (nic?.migration?.id !== migration.id || !nic.migration.isUncounted) return;
      const { isUncounted: _, ...counted } = nic.migration;
      const total = nic.carried === undefined ? here : sumOf(nic.carried, here);
      transaction.put(keys.interface(uuid), { ...nic, migration: counted, carried: asCarried(total) });
    });
  }
}

/** True if the source of a migration is to hand it over now. Otherwise it keeps its port open. */
export const isDueToHandOver = (context: ClusterContext, { migration }: InterfaceRecord): boolean =>
  migration?.isSwitching === true && migration.state === 'created' && isMember(context, migration.node);
