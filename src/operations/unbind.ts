import { resourceId } from '../desired/resources.js';
import { ConflictError, RemovalError } from '../errors.js';
import { asCall, type Context } from '../host/context.js';
import { inactiveOf, releaseBinding } from '../records/binding.js';
import { type RequireFree, sameAsFirst } from '../records/contention.js';
import { networkOf } from '../records/queries.js';
import { always, type InterfaceRecord, keys, type NetworkRecord } from '../records/records.js';
import { type Transaction, transact } from '../store/transaction.js';
import { markForDeletion, type RemovalOptions } from './removal.js';

/** Options of `removeBinding`. */
export interface BindingRemoval extends RemovalOptions<{ network: NetworkRecord; nic: InterfaceRecord }> {
  /** UUID of the migration. Default: any. */
  id?: string;
}

/** A request to abort a migration. */
export interface AbortRequest {
  /** UUID of the migration. */
  id: string;
  /** Its target. */
  to: string;
  /** What to do if it has been switched. */
  ifSwitched: 'throw' | 'keep';
  signal?: AbortSignal | undefined;
}

/**
 * Aborts a migration that has not been switched. Does nothing if it does not exist any more.
 * @throws ConflictError if it has been switched, unless `ifSwitched` is `keep`
 */
export function abortMigration(
  context: Context,
  { uuid, network }: Pick<InterfaceRecord, 'uuid' | 'network'>,
  { id, to, signal, ifSwitched }: AbortRequest,
): Promise<void> {
  const { locks } = context;
  const hasMoved = () => new ConflictError(`interface ${uuid} has been switched to node ${to}: migrate it back`);
  const isDue = (binding: object) => {
    if (!('isSource' in binding)) return true;
    if (ifSwitched === 'keep') return false;
    throw hasMoved();
  };
  const abort = async () => {
    await removeBinding(context, uuid, { id, signal, isDue });
    const now = await context.store.get<InterfaceRecord>(keys.interface(uuid));
    if (ifSwitched === 'throw' && now?.value.node === to) throw hasMoved();
  };
  return asCall(context, () => locks.shared(network, () => locks.exclusive(uuid, abort), signal));
}

/**
 * Removes the inactive binding of an interface: the target of a migration that is aborted, or the source of one that was
 * switched. The caller holds the lock of the interface.
 * @throws RemovalError; the binding stays recorded then, and reconciliation retries its removal
 */
export async function removeBinding(context: Context, uuid: string, options: BindingRemoval): Promise<void> {
  const { isDue = always } = options;
  const isSame = sameAsFirst();
  const mark = async (transaction: Transaction, requireFree: RequireFree) => {
    const nic = await transaction.get<InterfaceRecord>(keys.interface(uuid));
    const binding = nic?.migration;
    if (nic === undefined || binding === undefined || (options.id ?? binding.id) !== binding.id) return undefined;
    if (!isSame(binding.id) || !isDue(binding)) return undefined;
    const network = await networkOf(transaction, nic.network);
    requireFree(`interface ${uuid}`, nic, binding, network);
    const { isSwitching: _, ...rest } = binding;
    const changed: InterfaceRecord = {
      ...nic,
      migration: { ...rest, state: 'deleting', claim: context.owner.claim() },
    };
    transaction.put(keys.interface(uuid), changed);
    return { network, nic: changed };
  };
  const marked = await markForDeletion(context, mark, options);
  if (marked === undefined) return;
  const { network, nic, revision } = marked;
  const inactive = inactiveOf(nic);
  const errors = await context.coordinator.remove({
    ...{ network, revision, resources: [], members: inactive === undefined ? [] : [inactive] },
    ids: [resourceId.binding(uuid)],
  });
  await conclude(context, uuid, String(nic.migration?.id), errors);
  if (errors.length > 0) throw new RemovalError(`binding of interface ${uuid} on ${nic.migration?.node}`, errors);
}

/** Releases the binding. After errors it stays recorded without a claim. */
function conclude({ store }: Context, uuid: string, id: string, errors: readonly Error[]): Promise<void> {
  return transact(store, async (transaction) => {
    const record = await transaction.get<InterfaceRecord>(keys.interface(uuid));
    if (record?.migration?.id !== id) return;
    const { migration, ...rest } = record;
    if (errors.length > 0) {
      const { claim: _, ...kept } = migration;
      transaction.put(keys.interface(uuid), { ...record, migration: kept });
      return;
    }
    await releaseBinding(transaction, record);
    transaction.put(keys.interface(uuid), rest);
  });
}
