import { deviceName } from '../plan/interface.js';
import type { InterfaceRecord, NetworkRecord } from '../records/records.js';

/** A network with its interfaces, as recorded at one moment. */
export interface NetworkState {
  network: NetworkRecord;
  members: InterfaceRecord[];
  /** Key of an interface's record that cannot be read: something of the network may be missing here. Clusters only. */
  unreadable?: string | undefined;
  /** Store versions of the members' records, by UUID. Clusters only. */
  versions?: ReadonlyMap<string, number>;
}

/** The network in messages. */
export const networkTitle = ({ name, uuid }: NetworkRecord) => `network ${name} (${uuid})`;

/** The interface in messages. */
export const interfaceTitle = (network: NetworkRecord, { attachment }: InterfaceRecord) =>
  `${networkTitle(network)}, ${deviceName(attachment)}`;

/** True while something of the network is being created or removed. */
export const isChanging = ({ network, members }: NetworkState): boolean =>
  [network, ...Object.values(network.routed), ...members, ...members.map(({ floating }) => floating)].some(
    (lifecycle) => lifecycle !== undefined && lifecycle.state !== 'created',
  );

/** True if two states have the same records. */
export const isSameState = (left: NetworkState | undefined, right: NetworkState | undefined): boolean =>
  JSON.stringify([left?.network, left?.members]) === JSON.stringify([right?.network, right?.members]);
