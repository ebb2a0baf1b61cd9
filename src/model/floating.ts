import { ConflictError, NotFoundError } from '../errors.js';
import type { Pair } from '../plan/desired.js';
import { planFloatingIp, planFloatingIpRemoval } from '../plan/floating-ip.js';
import { type Transaction, transact } from '../store/transaction.js';
import { begin } from './begin.js';
import { asCapacityError } from './capacity.js';
import { claim } from './claim.js';
import { type Context, Errors, takeAway } from './context.js';
import { withFreshIndexes } from './fresh-indexes.js';
import { interfaceOf } from './interface-lifecycle.js';
import { asDeletion, liveNetworkOf, networkOf, reserveEgress } from './network-lifecycle.js';
import { theFirst, whenFree } from './other-hands.js';
import { always, desiredFloating, type InterfaceRecord, keys, type NetworkRecord } from './records.js';

type Identity = Pick<InterfaceRecord, 'uuid' | 'network'>;

/** Gives an interface a floating IP, or the one it has. @throws ConflictError without NAT, or if it has another */
export function float(context: Context, { uuid, network }: Identity, wanted: string | undefined): Promise<string> {
  const { locks } = context;
  return locks.shared(network, () =>
    locks.exclusive(uuid, () => withFreshIndexes(() => addFloating(context, uuid, wanted))),
  );
}

/** Takes it away. Does nothing if there is none. @throws RemovalError */
export function defloat(context: Context, { uuid, network }: Identity): Promise<void> {
  const { locks } = context;
  return locks.shared(network, () => locks.exclusive(uuid, () => removeFloating(context, uuid)));
}

async function addFloating(context: Context, uuid: string, wanted: string | undefined): Promise<string> {
  const { store, kernel, host } = context;
  const [outer, inner] = (await context.indexes.take(2)) as [number, number];
  const { nic, network, isNew } = await begin(store, (transaction) =>
    reserveFloating(transaction, context, uuid, { wanted, pair: { outer, inner } }),
  );
  const floating = desiredFloating(nic);
  if (floating === undefined) throw new NotFoundError('floating address of interface', uuid);
  if (!isNew) return floating.address;
  try {
    await kernel.transaction(planFloatingIp(host, network, floating));
  } catch (error) {
    await forgetFloating(context, uuid);
    throw await asDeletion(context, network.uuid, asCapacityError(error, host.egressBridge.name));
  }
  try {
    await settleFloating(context, uuid);
  } catch (error) {
    await takeAway(context, planFloatingIpRemoval(host, network, floating));
    await forgetFloating(context, uuid);
    throw error;
  }
  return floating.address;
}

/** Records the address that an interface is to have. `isNew` is false if it has it already. @throws ConflictError */
export async function reserveFloating(
  transaction: Transaction,
  context: Pick<Context, 'floating' | 'host' | 'node'>,
  uuid: string,
  { wanted, pair }: { wanted: string | undefined; pair: Pair },
): Promise<{ nic: InterfaceRecord; network: NetworkRecord; isNew: boolean }> {
  const nic = await interfaceOf(transaction, uuid);
  if (nic.state !== 'created') throw new ConflictError(`interface ${uuid} is in state ${nic.state}`);
  const network = await liveNetworkOf(transaction, nic.network);
  if (nic.floating !== undefined) {
    const { address, state } = nic.floating;
    if (state === 'created' && (wanted ?? address) === address) return { nic, network, isNew: false };
    throw new ConflictError(`interface ${uuid} has the floating address ${address} already`);
  }
  if (network.egress === undefined) {
    throw new ConflictError(`network ${network.uuid} has no NAT, so its interfaces can have no floating address`);
  }
  const address = await reserveEgress(transaction, context, { use: 'floating', owner: uuid }, { address: wanted });
  const floating = { address, pair, state: 'initial', claim: claim(context.node) } as const;
  const changed: InterfaceRecord = { ...nic, floating };
  transaction.put(keys.interface(uuid), changed);
  return { nic: changed, network, isNew: true };
}

/** The floating address is as recorded. @throws NotFoundError, ConflictError if it, its interface or network is being removed */
export function settleFloating({ store }: Pick<Context, 'store'>, uuid: string): Promise<void> {
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

/** As `defloat`, without waiting for its turn; not unless the address `isDue`. */
export async function removeFloating(context: Context, uuid: string, isDue = always): Promise<void> {
  const { store, host } = context;
  const isSame = theFirst();
  const doomed = await whenFree((requireFree) =>
    begin(store, async (transaction) => {
      const nic = await interfaceOf(transaction, uuid);
      if (nic.floating === undefined || !isSame(nic.floating.pair.outer) || !isDue(nic.floating)) return undefined;
      const network = await networkOf(transaction, nic.network);
      requireFree(`interface ${uuid}`, nic, nic.floating, network);
      const floating = { ...nic.floating, state: 'deleting', claim: claim() } as const;
      transaction.put(keys.interface(uuid), { ...nic, floating });
      return { nic, network };
    }),
  );
  const floating = doomed && desiredFloating(doomed.nic);
  if (doomed === undefined || floating === undefined) return;

  const errors = new Errors();
  errors.add(...(await takeAway(context, planFloatingIpRemoval(host, doomed.network, floating))));
  if (!errors.any) return forgetFloating(context, uuid);
  await transact(store, async (transaction) => {
    const record = await interfaceOf(transaction, uuid);
    if (record.floating === undefined) return;
    const { claim: _, ...rest } = record.floating;
    transaction.put(keys.interface(uuid), { ...record, floating: rest });
  });
  errors.throwIfAny(`floating address ${floating.address} could not be removed completely`);
}

/** Gives the address back to the pool. */
export function forgetFloating(
  { store, floating: pool }: Pick<Context, 'store' | 'floating'>,
  uuid: string,
): Promise<void> {
  return transact(store, async (transaction) => {
    const record = await transaction.get<InterfaceRecord>(keys.interface(uuid));
    if (record?.floating === undefined) return;
    const { floating, ...rest } = record;
    await pool.release(transaction, floating.address, { owner: uuid });
    transaction.put(keys.interface(uuid), rest);
  });
}
