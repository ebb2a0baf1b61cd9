import { randomInt } from 'node:crypto';
import { CapacityError, ConflictError, ValidationError } from '../errors.js';
import type { Store } from '../store/store.js';
import type { Transaction } from '../store/transaction.js';

/** Largest VXLAN network identifier. The smallest is 1. */
export const MAX_VNI = 2 ** 24 - 1;
/** Number of random attempts. With half of the 16 million VNIs in use, one call in 10^9 fails. */
const SAMPLES = 32;

const key = (vni: number) => `vni/${vni}`;

/**
 * Reserves a VNI for a network: the given one, or a random free one. VNIs are unique in a store.
 * @throws ValidationError, ConflictError if the given one is in use, CapacityError if none is found
 */
export async function reserveVni(transaction: Transaction, network: string, fixed?: number): Promise<number> {
  const vni = fixed === undefined ? await randomVni(transaction) : await checkVni(transaction, fixed);
  transaction.create(key(vni), { network });
  return vni;
}

/** Releases a VNI, if it belongs to the network. */
export async function releaseVni(transaction: Transaction, network: string, vni: number): Promise<void> {
  const record = await transaction.get<{ network: string }>(key(vni));
  if (record?.network === network) transaction.delete(key(vni));
}

/** UUID of the network with a VNI. */
export async function networkOfVni(store: Pick<Store, 'get'>, vni: number): Promise<string | undefined> {
  return (await store.get<{ network: string }>(key(vni)))?.value.network;
}

async function randomVni(transaction: Transaction): Promise<number> {
  for (let sample = 0; sample < SAMPLES; sample++) {
    const vni = randomInt(1, MAX_VNI + 1);
    if ((await transaction.get(key(vni))) === undefined) return vni;
  }
  throw new CapacityError('vni', MAX_VNI, 'no free VNI found: nearly all VNIs are in use');
}

async function checkVni(transaction: Transaction, vni: number): Promise<number> {
  if (!Number.isInteger(vni) || vni < 1 || vni > MAX_VNI) {
    throw new ValidationError('vni', vni, `a VNI from 1 to ${MAX_VNI}`);
  }
  const owner = await transaction.get<{ network: string }>(key(vni));
  if (owner !== undefined) throw new ConflictError(`VNI ${vni} is in use by network ${owner.network}`);
  return vni;
}
