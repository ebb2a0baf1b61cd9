import type { AddressPool, ReserveOptions } from '../ipam/pool.js';
import type { DesiredHost } from '../plan/desired.js';
import type { Transaction } from '../store/transaction.js';
import { requireEgressPort } from './capacity.js';

/** Reserves an address of the floating network whose use needs a port of the egress bridge. @throws CapacityError */
export async function reserveEgress(
  transaction: Transaction,
  context: { readonly floating: AddressPool; readonly host: Pick<DesiredHost, 'egressBridge'> },
  record: { use: 'gateway' | 'floating'; owner: string },
  options: ReserveOptions,
): Promise<string> {
  await requireEgressPort(transaction, context);
  return context.floating.reserve(transaction, record, options);
}
