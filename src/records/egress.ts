import type { ReserveOptions } from '../ipam/pool.js';
import type { Transaction } from '../store/transaction.js';
import { type EgressOwner, requireEgressPort } from './capacity.js';

/** Reserves an address of the floating pool of a network whose use needs a port of the egress bridge. @throws CapacityError */
export async function reserveEgress(
  transaction: Transaction,
  context: EgressOwner,
  network: { router?: string | undefined; floatingPool?: string | undefined },
  record: { use: 'gateway' | 'floating'; owner: string },
  options: ReserveOptions,
): Promise<string> {
  await requireEgressPort(transaction, context, network);
  return context.floatingOf(network).reserve(transaction, record, options);
}
