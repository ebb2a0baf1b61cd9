import { isChosenIndex } from '../ipam/ifindex.js';
import type { Link } from '../kernel/link/index.js';
import { VETHWORK_GROUPS } from './group.js';
import { isHostAlias, isNetworkAlias, networkOfAlias, vniOfInnerName } from './names.js';

/*
 * What vethwork provably created or uses in the namespace of a host, by the kernel alone, without records. Links of
 * vethwork have an alias, and an index in the range that vethwork chooses from.
 */

/** Links of a host. */
export interface LeftoverLinks {
  /** Created by vethwork: to be deleted. */
  own: Link[];
  /** Devices of others that are attached to a network: to be released. */
  devices: Link[];
  /** UUIDs of the networks in the aliases. */
  networks: Set<string>;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Finds the links of vethwork, and the devices that it uses. */
export function leftoverLinks(links: readonly Link[]): LeftoverLinks {
  const own = links.filter(
    ({ alias, index, kind }) =>
      isChosenIndex(index) &&
      ((isHostAlias(alias) && kind === 'bridge') || (isNetworkAlias(alias) && UUID.test(networkOfAlias(alias) ?? ''))),
  );
  const indexes = new Set(own.map(({ index }) => index));
  const devices = links.filter(
    ({ index, group, master = 0 }) => !indexes.has(index) && isOurGroup(group) && indexes.has(master),
  );
  const networks = own.map(({ alias }) => networkOfAlias(alias)).filter((uuid) => uuid !== undefined);
  return { own, devices, networks: new Set(networks) };
}

const isOurGroup = (group: number) => (group & VETHWORK_GROUPS.mask) >>> 0 === VETHWORK_GROUPS.value;

/**
 * True if a namespace is that of a network on this host: a link in it is the peer of a link of the network on the host.
 * @param outer links of vethwork on the host
 * @param inner links in the namespace
 * @param id id of the namespace in the namespace of the host; -1 if it has none
 */
export function isNetworkNamespace(
  uuid: string,
  { outer, inner, id }: { outer: readonly Link[]; inner: readonly Link[]; id: number },
): boolean {
  if (id < 0) return false;
  const peers = outer
    .filter(
      ({ kind, alias, linkNamespaceId }) => kind === 'veth' && networkOfAlias(alias) === uuid && linkNamespaceId === id,
    )
    .map(({ link }) => link);
  return inner.some(
    ({ index, kind, name }) =>
      kind === 'veth' && isChosenIndex(index) && vniOfInnerName(name) !== undefined && peers.includes(index),
  );
}
