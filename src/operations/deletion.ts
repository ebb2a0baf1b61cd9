import { ConflictError, NotFoundError } from '../errors.js';
import type { Context } from '../host/context.js';
import { keys, type NetworkRecord } from '../records/records.js';

/**
 * Returns the error of a failed change to a network. If the network is being deleted, it is a ConflictError that says
 * so, with the original error as its cause.
 */
export async function asDeletion({ store }: Pick<Context, 'store'>, uuid: string, error: unknown): Promise<unknown> {
  if (error instanceof ConflictError || error instanceof NotFoundError) return error;
  const state = (await store.get<NetworkRecord>(keys.network(uuid)))?.value.state;
  if (state !== undefined && state !== 'deleting') return error;
  return new ConflictError(`network ${uuid} is being deleted`, { cause: error });
}
