import { resourceId, routedResource } from '../desired/resources.js';
import { NotFoundError, RemovalError } from '../errors.js';
import { asCall, type Context } from '../host/context.js';
import type { RequireFree } from '../records/contention.js';
import { readNetwork } from '../records/queries.js';
import { always, keys, type NetworkRecord, withRouted } from '../records/records.js';
import { type Transaction, transact } from '../store/transaction.js';
import { markForDeletion, type RemovalOptions } from './removal.js';

/** Removes the route of an address into a network. @throws NotFoundError if it is not routed there, RemovalError */
export function unroute(context: Context, uuid: string, address: string, signal?: AbortSignal): Promise<void> {
  const { locks } = context;
  const remove = async () => {
    const { routed } = await readNetwork(context, uuid);
    if (routed[address] === undefined) throw new NotFoundError('routed address', address);
    await removeRouted(context, uuid, address, { signal });
  };
  return asCall(context, () => locks.shared(uuid, () => locks.exclusive(address, remove), signal));
}

/**
 * As `unroute`; the caller holds the locks. Does nothing without such a route.
 * @throws RemovalError; the record is kept in this case
 */
export async function removeRouted(
  context: Context,
  uuid: string,
  address: string,
  options: RemovalOptions<{ network: NetworkRecord }>,
): Promise<void> {
  const { isDue = always } = options;
  const mark = async (transaction: Transaction, requireFree: RequireFree) => {
    const network = await transaction.get<NetworkRecord>(keys.network(uuid));
    const routed = network?.routed[address];
    if (network === undefined || routed === undefined || !isDue(routed)) return undefined;
    requireFree(`network ${uuid}`, network, routed);
    const changed = withRouted(network, address, { state: 'deleting', claim: context.owner.claim() });
    transaction.put(keys.network(uuid), changed);
    return { network: changed };
  };
  const marked = await markForDeletion(context, mark, options);
  if (marked === undefined) return;
  const { network, revision } = marked;
  const { coordinator, localNode } = context;
  const resource = routedResource(localNode, network, address);
  const errors = await coordinator.remove({
    ...{ network, revision, resources: resource ? [resource] : [], members: [] },
    ...{ ids: [resourceId.routed(address)], isCreated: options.isCreated ?? true },
  });
  await concludeRemoval(context, uuid, address, errors);
  if (errors.length > 0) throw new RemovalError(`routed address ${address}`, errors);
}

/** Releases the address. After errors it stays recorded without a claim, so that reconciliation retries its removal. */
function concludeRemoval(
  { store, floatingOf }: Context,
  uuid: string,
  address: string,
  errors: readonly Error[],
): Promise<void> {
  return transact(store, async (transaction) => {
    const network = await transaction.get<NetworkRecord>(keys.network(uuid));
    if (network?.routed[address] === undefined) return;
    if (errors.length > 0) {
      transaction.put(keys.network(uuid), withRouted(network, address, { state: 'deleting' }));
      return;
    }
    await floatingOf(network).release(transaction, address, { owner: uuid });
    const { [address]: _, ...routed } = network.routed;
    transaction.put(keys.network(uuid), { ...network, routed });
  });
}
