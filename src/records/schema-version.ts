import { StoreError } from '../errors.js';
import type { Transaction } from '../store/transaction.js';
import { indexState } from './names.js';
import { type HostRecord, keys } from './records.js';

/** Version of the records that this vethwork writes. */
export const SCHEMA_VERSION = 2;
/** Version of clusters with several network nodes. The records are the same otherwise. */
export const SEVERAL_ROUTERS_VERSION = 3;

/** Migrations by their initial version. They run in the transaction that opens the host. */
const MIGRATIONS: Readonly<Record<number, (transaction: Transaction) => Promise<void>>> = {
  /** To version 2: adds the indexes of names and places, and converts `deletionHalo` from seconds to milliseconds. */
  1: async (transaction) => {
    await indexState(transaction);
    const host = await transaction.get<HostRecord>(keys.host);
    if (host?.settings === undefined) return;
    const settings = { ...host.settings, deletionHalo: host.settings.deletionHalo * 1000 };
    transaction.put(keys.host, { ...host, settings });
  },
};

/**
 * Migrates the records of a store to the present version. Records without a version have version 1.
 * @param location text for the store in messages
 * @throws StoreError for records of a later version
 */
export async function migrateRecords(transaction: Transaction, location: string): Promise<void> {
  const recorded = await transaction.get<number>(keys.schema);
  if (recorded === SCHEMA_VERSION || recorded === SEVERAL_ROUTERS_VERSION) return;
  const isEmpty = recorded === undefined && (await transaction.get(keys.host)) === undefined;
  const known = recorded ?? (isEmpty ? SCHEMA_VERSION : 1);
  if (known > SEVERAL_ROUTERS_VERSION) {
    throw new StoreError(
      location,
      `its records have version ${known}, but this vethwork supports versions up to ${SEVERAL_ROUTERS_VERSION}: use a later vethwork`,
    );
  }
  for (let version = known; version < SCHEMA_VERSION; version++) await MIGRATIONS[version]?.(transaction);
  transaction.put(keys.schema, SCHEMA_VERSION);
}
