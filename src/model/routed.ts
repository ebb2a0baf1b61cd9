import { ConflictError, NotFoundError } from '../errors.js';
import { planRoutedIp, planRoutedIpRemoval } from '../plan/routed-ip.js';
import { type Transaction, transact } from '../store/transaction.js';
import { begin } from './begin.js';
import { claim } from './claim.js';
import { type Context, Errors, takeAway } from './context.js';
import { asDeletion, liveNetworkOf, networkOf } from './network-lifecycle.js';
import { whenFree } from './other-hands.js';
import { always, keys, type Lifecycle, type NetworkRecord } from './records.js';

/**
 * Routes an address of the floating network into a network. Does nothing more if it is routed there already.
 * @throws ConflictError without NAT: replies would find no way out
 */
export function route(context: Context, uuid: string, wanted: string | undefined): Promise<string> {
  const { locks } = context;
  return locks.shared(uuid, () =>
    wanted === undefined
      ? addRouted(context, uuid, wanted)
      : locks.exclusive(wanted, () => addRouted(context, uuid, wanted)),
  );
}

async function addRouted(context: Context, uuid: string, wanted: string | undefined): Promise<string> {
  const { store, kernel, host } = context;
  const { network, address, isNew } = await begin(store, (transaction) =>
    reserveRouted(transaction, context, uuid, wanted),
  );
  if (!isNew) return address;
  try {
    await kernel.transaction(planRoutedIp(host, network, address));
  } catch (error) {
    await forgetRouted(context, uuid, address);
    throw await asDeletion(context, uuid, error);
  }
  try {
    await settleRouted(context, uuid, address);
  } catch (error) {
    await takeAway(context, planRoutedIpRemoval(host, network, address));
    await forgetRouted(context, uuid, address);
    throw error;
  }
  return address;
}

/** Records an address that is to be routed into a network. `isNew` is false if it is already. @throws ConflictError */
export async function reserveRouted(
  transaction: Transaction,
  { floating, node }: Pick<Context, 'floating' | 'node'>,
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
  const address = await floating.reserve(transaction, { use: 'routed', owner: uuid }, { address: wanted });
  transaction.put(keys.network(uuid), withRouted(network, address, { state: 'initial', claim: claim(node) }));
  return { network, address, isNew: true };
}

/** The routed address is as recorded. */
export function settleRouted({ store }: Pick<Context, 'store'>, uuid: string, address: string): Promise<void> {
  return transact(store, async (transaction) => {
    const network = await liveNetworkOf(transaction, uuid);
    if (network.routed[address]?.state !== 'initial') throw new ConflictError(`${address} is being unrouted`);
    transaction.put(keys.network(uuid), withRouted(network, address, { state: 'created' }));
  });
}

/** @throws NotFoundError if the address is not routed into the network, RemovalError */
export function unroute(context: Context, uuid: string, address: string): Promise<void> {
  const { locks } = context;
  return locks.shared(uuid, () => locks.exclusive(address, () => removeRouted(context, uuid, address)));
}

/** As `unroute`, without waiting for its turn; not unless the address `isDue`. */
export async function removeRouted(context: Context, uuid: string, address: string, isDue = always): Promise<void> {
  const { store, host } = context;
  const network = await whenFree((requireFree) =>
    begin(store, async (transaction) => {
      const network = await networkOf(transaction, uuid);
      const routed = network.routed[address];
      if (routed === undefined) throw new NotFoundError('routed address', address);
      if (!isDue(routed)) return undefined;
      requireFree(`network ${uuid}`, network, routed);
      transaction.put(keys.network(uuid), withRouted(network, address, { state: 'deleting', claim: claim() }));
      return network;
    }),
  );
  if (network === undefined) return;
  const errors = new Errors();
  errors.add(...(await takeAway(context, planRoutedIpRemoval(host, network, address))));
  if (!errors.any) return forgetRouted(context, uuid, address);
  await transact(store, async (transaction) => {
    const record = await networkOf(transaction, uuid);
    transaction.put(keys.network(uuid), withRouted(record, address, { state: 'deleting' }));
  });
  errors.throwIfAny(`routed address ${address} could not be removed completely`);
}

/** Gives the address back to the pool. */
export function forgetRouted(
  { store, floating }: Pick<Context, 'store' | 'floating'>,
  uuid: string,
  address: string,
): Promise<void> {
  return transact(store, async (transaction) => {
    const network = await transaction.get<NetworkRecord>(keys.network(uuid));
    if (network?.routed[address] === undefined) return;
    await floating.release(transaction, address, { owner: uuid });
    const { [address]: _, ...routed } = network.routed;
    transaction.put(keys.network(uuid), { ...network, routed });
  });
}

export function withRouted(network: NetworkRecord, address: string, lifecycle: Lifecycle): NetworkRecord {
  return { ...network, routed: { ...network.routed, [address]: lifecycle } };
}
