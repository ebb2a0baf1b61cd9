import { deviceName } from '../plan/interface.js';
import type { InterfaceRecord, NetworkRecord } from '../records/records.js';

/** The records of one network and its interfaces at one revision. */
export interface NetworkState {
  network: NetworkRecord;
  members: InterfaceRecord[];
  /** Key of a record of an interface that is not valid JSON, so that `members` may be incomplete. Clusters only. */
  unreadable?: string | undefined;
  /** Store versions of the members' records, by UUID. Clusters only. */
  versions?: ReadonlyMap<string, number>;
}

/** Returns the text for a network in messages. */
export const networkTitle = ({ name, uuid }: NetworkRecord) => `network ${name} (${uuid})`;

/** Returns the text for an interface in messages. */
export const interfaceTitle = (network: NetworkRecord, { attachment }: InterfaceRecord) =>
  `${networkTitle(network)}, ${deviceName(attachment)}`;

/** True if the network, an interface or an address of it is being created or removed. */
export const isChanging = ({ network, members }: NetworkState): boolean =>
  [
    ...[network, ...Object.values(network.routed), ...members],
    ...members.flatMap(({ floating, migration }) => [floating, migration]),
  ].some((lifecycle) => lifecycle !== undefined && lifecycle.state !== 'created');

/** True if two states have the same records. */
export const isSameState = (left: NetworkState | undefined, right: NetworkState | undefined): boolean =>
  JSON.stringify([left?.network, left?.members]) === JSON.stringify([right?.network, right?.members]);
