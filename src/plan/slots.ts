import { nftKey as key, type NftCommand, nftTable, statement } from '../kernel/nftables/index.js';
import type { Operation } from '../kernel/operation.js';
import type { DesiredHost } from './desired.js';

/**
 * The ports of free slots (`nft list table bridge vethwork_slots`). A free slot is a complete interface that belongs to no
 * instance yet: nothing passes its port in either direction. An element opens and closes a port without a lock of the
 * links (RTNL). A table of its own, which exists only on hosts that have had a pool: its hooks cost time for each frame.
 */

/** Name of the table, of the family bridge. */
export const SLOT_TABLE = 'vethwork_slots';

const table = nftTable('bridge', SLOT_TABLE);
const CLOSED = { keyType: 'ifname' } as const;
/** Before the guard, so that frames of free slots do not count as refused. */
const PRIORITY = -310;

const refuse = () => [statement.counter(), statement.drop()].flat();

/** Plans the table, without ports. */
export const slotTable = (host: DesiredHost): Operation =>
  batch(host, [
    table.add(),
    table.set('closed', CLOSED),
    ...table.chain(
      'prerouting',
      { type: 'filter', hook: 'prerouting', priority: PRIORITY, policy: 'accept' },
      { 'free slots send nothing': [key.isIn('closed', key.inputInterface), refuse()] },
    ),
    ...table.chain(
      'postrouting',
      { type: 'filter', hook: 'postrouting', priority: PRIORITY, policy: 'accept' },
      { 'free slots receive nothing': [key.isIn('closed', key.outputInterface), refuse()] },
    ),
  ]);

export const slotTableRemoval = (host: DesiredHost): Operation => batch(host, [table.delete()]);

/** Closes the port of a slot (`nft add element bridge vethwork_slots closed`). */
export const closePort = (host: DesiredHost, device: string): Operation =>
  batch(host, [table.addElements('closed', CLOSED, [{ key: device }])]);

/** Opens the port of a slot (`nft delete element bridge vethwork_slots closed`). */
export const openPort = (host: DesiredHost, device: string): Operation =>
  batch(host, [table.deleteElements('closed', CLOSED, [{ key: device }])]);

function batch({ netns }: DesiredHost, commands: NftCommand[]): Operation {
  return { op: 'nftables.batch', netns, commands };
}
