import { nftKey as key, match, type NftCommand, nftTable, type SetTypes, statement } from '../kernel/nftables/index.js';
import type { Operation } from '../kernel/operation.js';
import type { NftObject } from '../kernel/query.js';
import type { DesiredHost, DesiredNetwork } from './desired.js';
import { extraneousElements } from './extraneous.js';

/*
 * VXLAN has no proof of origin, and Linux decapsulates whatever any interface receives on the UDP port. So packets with a
 * VNI of ours pass only from VTEPs of the mesh and through its NIC; on a machine without peers, none does. The input hook
 * comes after the reassembly of IPv4 fragments and before the UDP socket, which decapsulates. Packets with other VNIs are
 * other programs' and are left alone.
 */

/** Who may send packets of our networks. (Types, not interfaces: they are stored as JSON.) */
export type MeshPeers = {
  /** Names of the interfaces that the mesh's packets come in through. */
  nics: readonly string[];
  /** VTEPs of the other nodes, IPv4 or IPv6. */
  vteps: readonly string[];
};

/** Of a machine by itself. */
export const NO_PEERS: MeshPeers = { nics: [], vteps: [] };

const table = nftTable('inet', 'vethwork_mesh');

const VNIS = { keyType: 'mark' } as const;
const VTEPS = { keyType: 'ifname . ipv4_addr' } as const;
const VTEPS6 = { keyType: 'ifname . ipv6_addr' } as const;

const { counter, drop, accept, jump } = statement;
const { inputInterface, source, source6, vni } = key;

/** The table with its peers, without a network. */
export function meshFilter(host: DesiredHost, peers: MeshPeers): Operation {
  return batch(host, [
    table.add(),
    table.set('vnis', VNIS),
    ...peerSets(peers),
    ...table.subchain('vxlan', {
      // Only what is known to be another's: a first fragment that ends before the VXLAN header (IPv6) is not.
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

/** Packets of the network are for the mesh alone. To be done before its VXLAN link is up. */
export const filterNetwork = (host: DesiredHost, { vni }: DesiredNetwork): Operation =>
  batch(host, [table.addElements('vnis', VNIS, [{ key: vni }])]);

/** To be done after its VXLAN link is down. */
export const unfilterNetwork = (host: DesiredHost, { vni }: DesiredNetwork): Operation =>
  batch(host, [table.deleteElements('vnis', VNIS, [{ key: vni }])]);

/** Peers that the kernel has and that are not desired (any more). */
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

/** Several processes of a node may see to them at the same time: that one is there already is no error. */
function peerElements(set: string, types: SetTypes, nics: readonly string[], vteps: readonly string[]): NftCommand[] {
  const elements = nics.flatMap((nic) => vteps.map((address) => ({ key: [nic, address] })));
  return elements.length === 0 ? [] : [{ ...table.addElements(set, types, elements), exclusive: false } as NftCommand];
}

function batch({ netns }: DesiredHost, commands: NftCommand[]): Operation {
  return { op: 'nftables.batch', netns, commands };
}
