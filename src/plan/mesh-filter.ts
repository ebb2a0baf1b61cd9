import { nftKey as key, match, type NftCommand, nftTable, type SetTypes, statement } from '../kernel/nftables/index.js';
import type { Operation } from '../kernel/operation.js';
import type { NftObject } from '../kernel/query.js';
import type { DesiredHost, DesiredNetwork } from './desired.js';
import { extraneousElements } from './extraneous.js';

/*
 * VXLAN does not authenticate senders, and Linux decapsulates what any interface receives on the UDP port. Packets with
 * a VNI of vethwork pass only from VTEPs of the mesh and through its NICs. Without peers, none pass. The input hook is
 * after the reassembly of IPv4 fragments and before the UDP socket, which decapsulates. Packets with other VNIs belong
 * to other programs and are accepted. (`nft list table inet vethwork_mesh`)
 */

/** The allowed senders of VXLAN packets. These are types, not interfaces, because they are stored as JSON. */
export type MeshPeers = {
  /** Names of the interfaces that receive packets of the mesh. */
  nics: readonly string[];
  /** VTEPs of the other nodes, IPv4 or IPv6. */
  vteps: readonly string[];
};

/** The peers of a lone host. */
export const NO_PEERS: MeshPeers = { nics: [], vteps: [] };

/** The table, for `nftables.list`. */
export const MESH_TABLE = { family: 'inet', table: 'vethwork_mesh' } as const;

const table = nftTable(MESH_TABLE.family, MESH_TABLE.table);

const VNIS = { keyType: 'mark' } as const;
const VTEPS = { keyType: 'ifname . ipv4_addr' } as const;
const VTEPS6 = { keyType: 'ifname . ipv6_addr' } as const;

const { counter, drop, accept, jump } = statement;
const { inputInterface, source, source6, vni } = key;

/** Plans the table with its peers, without networks. */
export function meshFilter(host: DesiredHost, peers: MeshPeers): Operation {
  return batch(host, [
    table.add(),
    table.set('vnis', VNIS),
    ...peerSets(peers),
    ...table.subchain('vxlan', {
      // Accepts only packets with a VNI that is known to be another program's. A first fragment that ends before the
      // VXLAN header (IPv6) is not accepted.
      'VXLAN of other programs': [key.isNotIn('vnis', vni), accept()],
      'nodes of the mesh': [match.networkProtocol('ip'), key.isIn('vteps', inputInterface, source), accept()],
      'nodes of the mesh over IPv6': [
        match.networkProtocol('ip6'),
        key.isIn('vteps6', inputInterface, source6),
        accept(),
      ],
      'nobody else': [counter(), drop()],
    }),
    ...table.chain(
      'input',
      { type: 'filter', hook: 'input', priority: 0, policy: 'accept' },
      { VXLAN: [match.udpPort(host.vxlanPort), jump('vxlan')] },
    ),
  ]);
}

export const meshFilterRemoval = (host: DesiredHost): Operation => batch(host, [table.delete()]);

/**
 * Adds a network to the filter (`nft add element inet vethwork_mesh vnis`). Must be done before its VXLAN link is up.
 */
export const addFilteredVni = (host: DesiredHost, { vni }: DesiredNetwork): Operation =>
  batch(host, [table.addElements('vnis', VNIS, [{ key: vni }])]);

/** Removes a network from the filter. Must be done after its VXLAN link is down. */
export const deleteFilteredVni = (host: DesiredHost, { vni }: DesiredNetwork): Operation =>
  batch(host, [table.deleteElements('vnis', VNIS, [{ key: vni }])]);

/** Plans the deletion of peers that the kernel has and that are not desired. */
export function extraneousPeers(host: DesiredHost, peers: MeshPeers, there: readonly NftObject[]): Operation[] {
  return extraneousElements([batch(host, peerSets(peers))], host.netns, there);
}

function peerSets({ nics, vteps }: MeshPeers): NftCommand[] {
  const isIpv6 = (address: string) => address.includes(':');
  return [
    table.set('vteps', VTEPS),
    table.set('vteps6', VTEPS6),
    ...peerElements(
      'vteps',
      VTEPS,
      nics,
      vteps.filter((each) => !isIpv6(each)),
    ),
    ...peerElements('vteps6', VTEPS6, nics, vteps.filter(isIpv6)),
  ];
}

/** Not exclusive: several processes of a node may add the same peer. */
function peerElements(set: string, types: SetTypes, nics: readonly string[], vteps: readonly string[]): NftCommand[] {
  const elements = nics.flatMap((nic) => vteps.map((address) => ({ key: [nic, address] })));
  return elements.length === 0 ? [] : [{ ...table.addElements(set, types, elements), exclusive: false } as NftCommand];
}

function batch({ netns }: DesiredHost, commands: NftCommand[]): Operation {
  return { op: 'nftables.batch', netns, commands };
}
