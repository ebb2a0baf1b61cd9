import { ConflictError, NotFoundError } from '../errors.js';
import type { Context } from '../host/context.js';
import { keys, type NetworkRecord } from '../records/records.js';

/**
 * The error of a failed change to a network. Where somebody deletes the network meanwhile, that is what it says, whatever
 * the change met.
 */
export async function asDeletion({ store }: Pick<Context, 'store'>, uuid: string, error: unknown): Promise<unknown> {
  if (error instanceof ConflictError || error instanceof NotFoundError) return error;
  const state = (await store.get<NetworkRecord>(keys.network(uuid)))?.value.state;
  if (state !== undefined && state !== 'deleting') return error;
  return new ConflictError(`network ${uuid} is being deleted`, { cause: error });
}
