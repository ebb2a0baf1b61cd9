import { floatingResource, resourceId } from '../desired/resources.js';
import { RemovalError } from '../errors.js';
import { asCall, type Context } from '../host/context.js';
import { type RequireFree, sameAsFirst } from '../records/contention.js';
import { networkOf } from '../records/queries.js';
import { always, type InterfaceRecord, keys, type NetworkRecord } from '../records/records.js';
import { type Transaction, transact } from '../store/transaction.js';
import { markForDeletion, type RemovalOptions } from './removal.js';

/** Removes the floating address of an interface. Does nothing if there is none. @throws RemovalError */
export function defloat(
  context: Context,
  { uuid, network }: Pick<InterfaceRecord, 'uuid' | 'network'>,
  signal?: AbortSignal,
): Promise<void> {
  const { locks } = context;
  const remove = () => removeFloating(context, uuid, { signal });
  return asCall(context, () => locks.shared(network, () => locks.exclusive(uuid, remove), signal));
}

/** As `defloat`; the caller holds the lock of the interface. @throws RemovalError; the record is kept in this case */
export async function removeFloating(
  context: Context,
  uuid: string,
  options: RemovalOptions<{ network: NetworkRecord; nic: InterfaceRecord }>,
): Promise<void> {
  const { isDue = always } = options;
  const isSame = sameAsFirst();
  const mark = async (transaction: Transaction, requireFree: RequireFree) => {
    const nic = await transaction.get<InterfaceRecord>(keys.interface(uuid));
    if (nic?.floating === undefined || !isSame(nic.floating.pair.outer) || !isDue(nic.floating)) return undefined;
    const network = await networkOf(transaction, nic.network);
    requireFree(`interface ${uuid}`, nic, nic.floating, network);
    const floating = { ...nic.floating, state: 'deleting', claim: context.owner.claim() } as const;
    const changed: InterfaceRecord = { ...nic, floating };
    transaction.put(keys.interface(uuid), changed);
    return { network, nic: changed };
  };
  const marked = await markForDeletion(context, mark, options);
  if (marked === undefined) return;
  const { network, nic, revision } = marked;
  const { coordinator, localNode } = context;
  const resource = floatingResource(localNode, network, nic);
  const errors = await coordinator.remove({
    ...{ network, revision, resources: resource ? [resource] : [], members: [] },
    ...{ ids: [resourceId.floating(uuid)], isCreated: options.isCreated ?? true },
  });
  await concludeRemoval(context, uuid, errors);
  if (errors.length > 0) throw new RemovalError(`floating address ${nic.floating?.address}`, errors);
}

/** Releases the address. After errors it stays recorded without a claim, so that reconciliation retries its removal. */
function concludeRemoval({ store, floatingOf }: Context, uuid: string, errors: readonly Error[]): Promise<void> {
  return transact(store, async (transaction) => {
    const record = await transaction.get<InterfaceRecord>(keys.interface(uuid));
    if (record?.floating === undefined) return;
    const { floating, ...rest } = record;
    if (errors.length > 0) {
      const { claim: _, ...kept } = floating;
      transaction.put(keys.interface(uuid), { ...record, floating: kept });
      return;
    }
    const network = await networkOf(transaction, record.network);
    await floatingOf(network).release(transaction, floating.address, { owner: uuid });
    transaction.put(keys.interface(uuid), rest);
  });
}
