import type { Settings } from '../api/options.js';
import { settingsRecord } from '../host/settings.js';
import { startIndexesAfter } from '../ipam/ifindex.js';
import { reserveVni } from '../ipam/vni.js';
import { createInterface, sharedAddresses } from '../records/members.js';
import { reserveName } from '../records/names.js';
import { floatingPool, keys, networkPool } from '../records/records.js';
import { migrateRecords } from '../records/schema-version.js';
import type { Transaction } from '../store/transaction.js';
import { innerIndexes, type RebuiltHost } from './adopt.js';

/** Writes the rebuilt records into an empty store, with the reservations of addresses, names and VNIs. */
export async function writeRecords(
  transaction: Transaction,
  { host, networks, highestIndex }: RebuiltHost,
  { settings, where, stateDir }: { settings: Settings; where: string; stateDir: string },
): Promise<void> {
  await migrateRecords(transaction, where);
  transaction.create(keys.host, { ...host, stateDir, ...settingsRecord(settings) });
  const members = networks.flatMap((network) => network.members.map(({ record }) => record));
  startIndexesAfter(transaction, Math.max(highestIndex, ...innerIndexes(members)));
  const floating = floatingPool(host.floatingNetwork);
  for (const { record: network, members } of networks) {
    const { uuid, egress, routed } = network;
    transaction.create(keys.network(uuid), network);
    await reserveName(transaction, network);
    await reserveVni(transaction, uuid, network.vni);
    if (egress) await floating.reserve(transaction, { use: 'gateway', owner: uuid }, { address: egress.address });
    for (const address of Object.keys(routed)) {
      await floating.reserve(transaction, { use: 'routed', owner: uuid }, { address });
    }
    const pool = networkPool(network);
    for (const { record: nic } of members) {
      const { uuid: owner, mac, address } = nic;
      await pool.reserve(transaction, { use: 'interface', owner, mac }, { address });
      if (nic.floating) {
        await floating.reserve(transaction, { use: 'floating', owner }, { address: nic.floating.address });
      }
      await createInterface(transaction, nic);
    }
    for (const { record: nic } of members) {
      for (const address of sharedAddresses(network, nic)) await pool.share(transaction, address, nic.uuid, 'address');
    }
  }
}
