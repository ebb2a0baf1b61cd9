import { randomUUID } from 'node:crypto';
import type { ClaimRequest } from '../api/options.js';
import type { GuestOptions } from '../api/types.js';
import type { Context } from '../host/context.js';
import type { DesiredGuest } from '../plan/desired.js';
import { tapOptions } from '../plan/interface.js';
import { slotNamespaceName, slotTapName } from '../plan/names.js';
import type { PoolRecord } from '../records/pools.js';
import type { InterfaceRecord } from '../records/records.js';
import { type AttachPlan, attachWith, type ChosenAttachment, chosenNow } from './attach.js';

/** Slots are created in a lane of their own, so that claims do not wait for messages that create links. */
const LANE = 'slots';

/** Creates a free slot. */
export const createSlot = (context: Context, pool: PoolRecord, signal?: AbortSignal): Promise<InterfaceRecord> =>
  attachWith(context, pool.network, () => ({
    ...planOf(context, pool),
    ...{ slot: { pool: pool.uuid, isFree: true }, metadata: {}, lane: LANE, signal },
  }));

/** Attaches an interface with the options of a pool that has no free slot. A detach may make it a free one. */
export const attachSlot = (context: Context, pool: PoolRecord, request: ClaimRequest): Promise<InterfaceRecord> =>
  attachWith(context, pool.network, () => ({
    ...planOf(context, pool),
    ...{ slot: { pool: pool.uuid, isFree: false }, ...request },
  }));

function planOf(context: Context, pool: PoolRecord): Omit<AttachPlan, 'metadata'> {
  const { order, model, antiSpoofing } = pool;
  const choose = () => (pool.kind === 'tap' ? chooseTap(context, pool) : chooseNamespace(context, pool));
  return { order, model, antiSpoofing, allowedAddresses: [], isOnly: false, choose };
}

async function chooseTap({ indexes }: Context, pool: PoolRecord): Promise<ChosenAttachment> {
  const [index] = (await indexes.take(1)) as [number];
  return chosenNow({ kind: 'tap', name: slotTapName(index), index, ...tapOptions(pool) });
}

async function chooseNamespace({ indexes }: Context, pool: PoolRecord): Promise<ChosenAttachment> {
  const [index, innerIndex] = (await indexes.take(2)) as [number, number];
  const netns = slotNamespaceName(randomUUID());
  return chosenNow({
    ...{ kind: 'veth', index, innerIndex, netns, innerName: 'eth0', configure: true, isOwned: true },
    ...(pool.guest !== undefined && { guest: await chooseGuest(indexes, pool, pool.guest) }),
  });
}

async function chooseGuest(
  indexes: Context['indexes'],
  pool: PoolRecord,
  { tap: name, ...guest }: GuestOptions,
): Promise<DesiredGuest> {
  const [index] = (await indexes.take(1)) as [number];
  return { ...guest, tap: { name, index, ...tapOptions(pool) } };
}
