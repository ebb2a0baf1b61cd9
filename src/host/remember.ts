import type { HostRequest, Settings } from '../api/options.js';
import { allocateIndexes } from '../ipam/ifindex.js';
import { localMac } from '../ipam/local-mac.js';
import { parseNetblock } from '../ipam/netblock.js';
import { egressBridgeName } from '../plan/names.js';
import { type HostRecord, keys } from '../records/records.js';
import type { Transaction } from '../store/transaction.js';
import { settingsInForce, settingsRecord } from './settings.js';

/** A host's record, and what follows from it. */
export interface Remembered {
  record: HostRecord;
  settings: Settings;
  /** The host is new. */
  isNew: boolean;
  /** Names of settings that the caller has changed. */
  changed: string[];
}

/**
 * The host of a store: the one that is recorded, or a new one. Changed settings are recorded.
 * @param where they are recorded, for messages
 * @param more what the record is to have beside; absent where it is only read
 * @throws ValidationError, ConflictError as `settingsInForce`
 */
export async function rememberHost(
  transaction: Transaction,
  request: HostRequest,
  { where, isShared, more }: { where: string; isShared: boolean; more?: Partial<HostRecord> },
): Promise<Remembered> {
  const known = await transaction.get<HostRecord>(keys.host);
  const { settings: _, ...shared } = known ?? {};
  const compared = known && isShared ? (shared as HostRecord) : known;
  const { settings, changed } = await settingsInForce(request, compared, where);
  const { settings: own, ...common } = settingsRecord(settings);
  const record: HostRecord = {
    ...(known ?? (await newHost(transaction, settings))),
    ...common,
    // The nodes of a cluster have settings of their own.
    ...(!isShared && { settings: own }),
    ...more,
  };
  if (JSON.stringify(record) !== JSON.stringify(known)) transaction.put(keys.host, record);
  return { record, settings, isNew: known === undefined, changed };
}

/** What of a host's record is chosen once. */
async function newHost(
  transaction: Transaction,
  { egressNic, floatingNetwork, vxlanPort, outboundNat }: Settings,
): Promise<HostRecord> {
  const [index] = (await allocateIndexes(transaction, 1)) as [number];
  return {
    egressNic,
    egressBridge: { name: egressBridgeName(egressNic), index, mac: localMac() },
    floatingNetwork,
    floatingAddress: parseNetblock('floatingNetwork', floatingNetwork).gateway,
    outboundNat,
    vxlanPort,
  };
}
