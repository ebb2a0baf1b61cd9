import type { Host, NetworkInfo } from '../../src/index.js';
import type { TestCluster } from './cluster.js';
import { json } from './namespaces.js';

interface Entry {
  mac: string;
  dst?: string;
  flags: string[];
  state?: string;
  master?: string;
}

const EVERYBODY = '00:00:00:00:00:00';

/**
 * Differences between the actual and the expected forwarding entries of a network on all nodes, as `bridge` prints them. The
 * expected entries depend only on the nodes of the interfaces. A node with a failed agent remains in the mesh.
 * @param gone numbers of nodes without agents, whose own entries may be outdated
 */
export async function meshFindings(cluster: TestCluster, host: Host, gone: readonly number[] = []): Promise<string[]> {
  const findings: string[] = [];
  for (const network of await host.listNetworks()) findings.push(...(await ofNetwork(cluster, host, network, gone)));
  return findings;
}

async function ofNetwork(
  cluster: TestCluster,
  host: Host,
  { uuid, vni }: NetworkInfo,
  gone: readonly number[],
): Promise<string[]> {
  const nics = (await host.listInterfaces()).filter(({ network }) => network === uuid);
  const placeOf = new Map(nics.map(({ mac, node = '' }) => [mac, Number(node.replace('node', ''))]));
  const participants = [...new Set([1, ...placeOf.values()])];
  const gateway = await json<{ address: string }[]>('ip', '-n', uuid, '-j', 'link', 'show', `veth-${hex(vni)}-i`);
  const bridge = await json<{ address: string }[]>(
    'ip',
    '-n',
    cluster.node(1).name,
    '-j',
    'link',
    'show',
    `br-vxlan-${hex(vni)}`,
  );
  for (const { address } of [...gateway, ...bridge]) placeOf.set(address, 1);
  const findings: string[] = [];
  for (let number = 1; number <= cluster.nodes.length; number++) {
    if (gone.includes(number)) continue;
    const entries = (await cluster.fdb(number, vni)) as Entry[] | undefined;
    const expected = participants.includes(number) ? expectedAt(cluster, number, participants, placeOf) : undefined;
    const there = entries
      ?.filter(({ flags, dst }) => flags.includes('self') && dst)
      .map(({ mac, dst }) => `${mac} ${dst}`);
    if (list(there) !== list(expected)) {
      findings.push(`node${number}, ${hex(vni)}: expected ${list(expected)}, found ${list(there)}`);
    }
    const sticky = entries?.filter(({ flags }) => flags.includes('sticky')).map(({ mac }) => mac);
    const remote = expected?.map((text) => text.split(' ')[0] as string).filter((mac) => mac !== EVERYBODY);
    if (list(sticky) !== list(remote)) {
      findings.push(`node${number}, ${hex(vni)}: in the bridge expected ${list(remote)}, found ${list(sticky)}`);
    }
  }
  return findings;
}

function expectedAt(
  cluster: TestCluster,
  number: number,
  participants: number[],
  placeOf: Map<string, number>,
): string[] {
  const others = participants.filter((participant) => participant !== number);
  const behind = [...placeOf].filter(([, place]) => others.includes(place));
  return [
    ...others.map((participant) => `${EVERYBODY} ${cluster.vtep(participant)}`),
    ...behind.map(([mac, place]) => `${mac} ${cluster.vtep(place)}`),
  ];
}

const hex = (vni: number) => vni.toString(16).padStart(6, '0');
const list = (texts: readonly string[] | undefined) => (texts === undefined ? 'nothing' : [...texts].sort().join(', '));
