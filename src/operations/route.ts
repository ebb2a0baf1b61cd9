import { resourceId, routedResource } from '../desired/resources.js';
import { ConflictError } from '../errors.js';
import { asCall, type Context } from '../host/context.js';
import { liveNetworkOf } from '../records/queries.js';
import { keys, type NetworkRecord, withRouted } from '../records/records.js';
import { type Transaction, transact } from '../store/transaction.js';
import { applyAndSettle } from './creation.js';
import { asDeletion } from './deletion.js';
import { removeRouted } from './unroute.js';

/**
 * Routes an address of the floating network into a network. Does nothing if it is routed there already.
 * @throws ConflictError for a network without NAT, which has no route for replies
 */
export function route(
  context: Context,
  uuid: string,
  { address, signal }: { address?: string | undefined; signal?: AbortSignal | undefined },
): Promise<string> {
  const { locks } = context;
  const add = () => routeOnce(context, uuid, address, signal);
  return asCall(context, () =>
    locks.shared(uuid, () => (address === undefined ? add() : locks.exclusive(address, add)), signal),
  );
}

async function routeOnce(
  context: Context,
  uuid: string,
  wanted: string | undefined,
  signal: AbortSignal | undefined,
): Promise<string> {
  const { coordinator, localNode, store } = context;
  signal?.throwIfAborted();
  const { result, revision } = await coordinator.commit((transaction) =>
    reserveRouted(transaction, context, uuid, wanted),
  );
  const { network, address, isNew } = result;
  if (!isNew) {
    // The record may be that of another process, which has not flushed it yet.
    await store.flush();
    return address;
  }
  const resource = routedResource(localNode, network, address);
  const creation = {
    ...{ network, revision, resources: resource ? [resource] : [], signal },
    ids: [resourceId.network, resourceId.routed(address)],
    isEverywhere: true,
  };
  try {
    await applyAndSettle(context, creation, {
      settle: () => settleRouted(context, uuid, address),
      undo: (applied) => removeRouted(context, uuid, address, { own: { network }, ...applied }),
    });
    return address;
  } catch (error) {
    if (signal?.aborted) throw error;
    throw await asDeletion(context, uuid, error);
  }
}

/**
 * Reserves an address to be routed into a network. `isNew` is false if it is routed there already.
 * @throws ConflictError
 */
async function reserveRouted(
  transaction: Transaction,
  { floatingOf, owner }: Pick<Context, 'floatingOf' | 'owner'>,
  uuid: string,
  wanted: string | undefined,
): Promise<{ network: NetworkRecord; address: string; isNew: boolean }> {
  const network = await liveNetworkOf(transaction, uuid);
  if (network.egress === undefined) {
    throw new ConflictError(`network ${uuid} has no NAT, so no address can be routed into it`);
  }
  if (wanted !== undefined && network.routed[wanted]?.state === 'created') {
    return { network, address: wanted, isNew: false };
  }
  const address = await floatingOf(network).reserve(transaction, { use: 'routed', owner: uuid }, { address: wanted });
  const changed = withRouted(network, address, { state: 'initial', claim: owner.claim() });
  transaction.put(keys.network(uuid), changed);
  return { network: changed, address, isNew: true };
}

/**
 * Sets the state of a routed address to `created`.
 * @throws NotFoundError, ConflictError if it or its network is being removed
 */
function settleRouted({ store }: Pick<Context, 'store'>, uuid: string, address: string): Promise<void> {
  return transact(store, async (transaction) => {
    const network = await liveNetworkOf(transaction, uuid);
    if (network.routed[address]?.state !== 'initial') throw new ConflictError(`${address} is being unrouted`);
    transaction.put(keys.network(uuid), withRouted(network, address, { state: 'created' }));
  });
}
