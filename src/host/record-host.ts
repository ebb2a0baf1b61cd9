import type { HostRequest, Settings } from '../api/options.js';
import { allocateIndexes } from '../ipam/ifindex.js';
import { localMac } from '../ipam/local-mac.js';
import { parseNetblock } from '../ipam/netblock.js';
import { egressBridgeName } from '../plan/names.js';
import { type HostRecord, keys } from '../records/records.js';
import type { Transaction } from '../store/transaction.js';
import { effectiveSettings, settingsRecord } from './settings.js';

/** The record of a host, and its settings. */
export interface RecordedHost {
  record: HostRecord;
  settings: Settings;
  /** The host was not recorded before. */
  isNew: boolean;
  /** Names of the settings that differ from the recorded ones. */
  changed: string[];
}

/**
 * Returns the recorded host, or creates its record. Records changed settings.
 * @param where text for the store in messages
 * @param isShared the record is that of a cluster: it has no settings of a single node
 * @param key key of the record. Default: that of a lone host or a cluster
 * @param more further properties of the record
 * @param stateDir absolute path of the state folder, for the record of a new host
 * @throws ValidationError, ConflictError as `effectiveSettings`
 */
export async function recordHost(
  transaction: Transaction,
  request: HostRequest,
  {
    where,
    isShared,
    key = keys.host,
    more,
    stateDir,
  }: { where: string; isShared: boolean; key?: string; more?: Partial<HostRecord>; stateDir?: string },
): Promise<RecordedHost> {
  const known = await transaction.get<HostRecord>(key);
  const { settings: _, ...shared } = known ?? {};
  const compared = known && isShared ? (shared as HostRecord) : known;
  const { settings, changed } = await effectiveSettings(request, compared, where);
  const { settings: own, ...common } = settingsRecord(settings);
  const record: HostRecord = {
    ...(known ?? { ...(await newHost(transaction, settings)), ...(stateDir !== undefined && { stateDir }) }),
    ...common,
    // The settings of nodes of a cluster are not recorded.
    ...(!isShared && { settings: own }),
    ...more,
  };
  if (JSON.stringify(record) !== JSON.stringify(known)) transaction.put(key, record);
  return { record, settings, isNew: known === undefined, changed };
}

/** Returns the properties of a new host that never change. */
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
