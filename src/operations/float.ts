import { floatingResource, resourceId } from '../desired/resources.js';
import { ConflictError } from '../errors.js';
import { asCall, type Context } from '../host/context.js';
import type { Pair } from '../plan/desired.js';
import { asCapacityError } from '../records/capacity.js';
import { reserveEgress } from '../records/egress.js';
import { requireClaimed } from '../records/pools.js';
import { interfaceOf, liveNetworkOf } from '../records/queries.js';
import { type InterfaceRecord, keys, type NetworkRecord } from '../records/records.js';
import { type Transaction, transact } from '../store/transaction.js';
import { applyAndSettle } from './creation.js';
import { removeFloating } from './defloat.js';
import { asDeletion } from './deletion.js';
import { retryTakenIndexes } from './retry-indexes.js';

/**
 * Adds a floating address to an interface; returns the present one if it matches.
 * @throws ConflictError without NAT, or if it has another one
 */
export function float(
  context: Context,
  { uuid, network }: Pick<InterfaceRecord, 'uuid' | 'network'>,
  { address, signal }: { address?: string | undefined; signal?: AbortSignal | undefined },
): Promise<string> {
  const { locks } = context;
  const add = () => retryTakenIndexes(() => floatOnce(context, uuid, address, signal));
  return asCall(context, () => locks.shared(network, () => locks.exclusive(uuid, add), signal));
}

async function floatOnce(
  context: Context,
  uuid: string,
  wanted: string | undefined,
  signal: AbortSignal | undefined,
): Promise<string> {
  const { coordinator, localNode, host, indexes, store } = context;
  signal?.throwIfAborted();
  const [outer, inner] = (await indexes.take(2)) as [number, number];
  const { result, revision } = await coordinator.commit((transaction) =>
    reserveFloating(transaction, context, uuid, { wanted, pair: { outer, inner } }),
  );
  const { nic, network, address, isNew } = result;
  if (!isNew) {
    // The record may be that of another process, which has not flushed it yet.
    await store.flush();
    return address;
  }
  const resource = floatingResource(localNode, network, nic);
  const creation = {
    ...{ network, revision, resources: resource ? [resource] : [], signal },
    ids: [resourceId.network, resourceId.floating(uuid)],
  };
  try {
    await applyAndSettle(context, creation, {
      settle: () => settleFloating(context, uuid),
      undo: (applied) => removeFloating(context, uuid, { own: { network, nic }, ...applied }),
    });
    return address;
  } catch (error) {
    if (signal?.aborted) throw error;
    throw await asDeletion(context, network.uuid, asCapacityError(error, host.egressBridge.name));
  }
}

/** Reserves a floating address. `isNew` is false if the interface has it already. @throws ConflictError */
async function reserveFloating(
  transaction: Transaction,
  context: Context,
  uuid: string,
  { wanted, pair }: { wanted: string | undefined; pair: Pair },
): Promise<{ nic: InterfaceRecord; network: NetworkRecord; address: string; isNew: boolean }> {
  const nic = await interfaceOf(transaction, uuid);
  requireClaimed(nic);
  if (nic.state !== 'created') throw new ConflictError(`interface ${uuid} is in state ${nic.state}`);
  const network = await liveNetworkOf(transaction, nic.network);
  if (nic.floating !== undefined) {
    const { address, state } = nic.floating;
    if (state === 'created' && (wanted ?? address) === address) return { nic, network, address, isNew: false };
    throw new ConflictError(`interface ${uuid} has the floating address ${address} already`);
  }
  if (network.egress === undefined) {
    throw new ConflictError(`network ${network.uuid} has no NAT, so its interfaces cannot have floating addresses`);
  }
  const address = await reserveEgress(
    transaction,
    context,
    network,
    { use: 'floating', owner: uuid },
    { address: wanted },
  );
  const floating = { address, pair, state: 'initial', claim: context.owner.claim() } as const;
  const changed: InterfaceRecord = { ...nic, floating };
  transaction.put(keys.interface(uuid), changed);
  return { nic: changed, network, address, isNew: true };
}

/**
 * Sets the state of a floating address to `created`.
 * @throws NotFoundError, ConflictError if it, its interface or network is being removed
 */
function settleFloating({ store }: Pick<Context, 'store'>, uuid: string): Promise<void> {
  return transact(store, async (transaction) => {
    const record = await interfaceOf(transaction, uuid);
    if (record.state !== 'created' || record.floating?.state !== 'initial') {
      throw new ConflictError(`interface ${uuid} is being detached`);
    }
    await liveNetworkOf(transaction, record.network);
    const { claim: _, ...floating } = record.floating;
    transaction.put(keys.interface(uuid), { ...record, floating: { ...floating, state: 'created' } });
  });
}
