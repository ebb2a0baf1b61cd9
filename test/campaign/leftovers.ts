import type { NodeRecord } from '../../src/cluster/types.js';
import { deviceName } from '../../src/plan/interface.js';
import { networkNames } from '../../src/plan/names.js';
import type { InterfaceRecord, NetworkRecord } from '../../src/records/records.js';
import type { TestCluster } from '../support/cluster.js';
import { json } from '../support/namespaces.js';
import { processes } from '../support/processes.js';
import { entriesOf, nftRuleset } from './look.js';

/*
 * Compares the objects on the nodes of a cluster with the records in the store, in both directions. Reads them with `ip`,
 * `nft`, `pgrep` and `etcdctl`.
 */

const NETWORK = 'network/';
const INTERFACE = 'interface/';
const NODE = 'known-node/';

interface Recorded {
  entries: ReadonlyMap<string, string>;
  networks: readonly NetworkRecord[];
  interfaces: readonly InterfaceRecord[];
  nodes: readonly NodeRecord[];
}

/**
 * @param made UUIDs of all networks of the campaign. Other namespaces and processes are ignored.
 * @param gone numbers of nodes without agent. They remove their objects after their return.
 */
export async function leftovers(
  cluster: TestCluster,
  made: ReadonlySet<string>,
  gone: readonly number[] = [],
): Promise<string[]> {
  const recorded = await readStore(cluster);
  const numbers = cluster.nodes.map((_, index) => index + 1).filter((number) => !gone.includes(number));
  const lost = new Set(made);
  for (const { uuid } of recorded.networks) lost.delete(uuid);
  const found = await Promise.all([
    inStore(recorded, lost, gone),
    ...(gone.includes(1) ? [] : [namespaces(recorded, made), servers(recorded, made)]),
    ...numbers.map((number) => onNode(cluster, number, recorded)),
  ]);
  return found.flat();
}

async function readStore({ etcd }: TestCluster): Promise<Recorded> {
  const prefix = 'vethwork/';
  const { kvs = [] } = JSON.parse(await etcd.ctl('get', '--prefix', prefix, '-w', 'json')) as {
    kvs?: { key: string; value: string }[];
  };
  const plain = (text: string) => Buffer.from(text, 'base64').toString();
  const entries = new Map(kvs.map(({ key, value }) => [plain(key).slice(prefix.length), plain(value)]));
  const records = <Value>(start: string) =>
    [...entries].filter(([key]) => key.startsWith(start)).map(([, value]) => JSON.parse(value) as Value);
  return { entries, networks: records(NETWORK), interfaces: records(INTERFACE), nodes: records(NODE) };
}

function inStore({ entries }: Recorded, lost: ReadonlySet<string>, gone: readonly number[]): string[] {
  const found: string[] = [];
  for (const [key, value] of entries) {
    if (gone.some((number) => key.startsWith(`applied/node${number}/`) || key.startsWith(`removed/node${number}/`)))
      continue;
    const uuid = [...lost].find((each) => key.includes(each) || value.includes(each));
    if (uuid !== undefined) found.push(`leftover in the store: ${key} of network ${uuid}`);
  }
  return found;
}

async function namespaces({ networks }: Recorded, made: ReadonlySet<string>): Promise<string[]> {
  const there = await json<{ name: string }[]>('ip', '-j', 'netns');
  return differences(
    'namespace',
    networks.map(({ uuid }) => uuid),
    there.map(({ name }) => name).filter((name) => made.has(name)),
  );
}

/** dnsmasq processes, and the folders of their files. */
async function servers({ networks }: Recorded, made: ReadonlySet<string>): Promise<string[]> {
  const served = networks.filter(({ provideDhcp, provideDns }) => provideDhcp || provideDns).map(({ uuid }) => uuid);
  const uuidsIn = (text: string) => [...made].filter((uuid) => text.includes(uuid));
  const running = await processes('^[^ ]*dnsmasq ');
  const folders = await entriesOf('/run/vethwork', true);
  return [
    ...differences('dnsmasq', served, running.flatMap(uuidsIn)),
    ...differences(
      'runtime folder',
      served,
      [...new Set(folders.filter((path) => made.has(path.split('/').at(-1) ?? '')))].flatMap(uuidsIn),
    ),
  ];
}

async function onNode(
  cluster: TestCluster,
  number: number,
  { networks, interfaces, nodes }: Recorded,
): Promise<string[]> {
  const { name: netns } = cluster.node(number);
  const isRouter = number === 1;
  const local = interfaces.filter(({ node }) => node === `node${number}`);
  const here = networks.filter(({ uuid }) => isRouter || local.some(({ network }) => network === uuid));
  const wanted = [
    ...(isRouter ? ['egr-br-eth0'] : []),
    ...here.flatMap(({ vni, egress }) => {
      const { vxlan, bridge, innerOuter, egressOuter } = networkNames(vni);
      return [vxlan, bridge, ...(isRouter ? [innerOuter, ...(egress ? [egressOuter] : [])] : [])];
    }),
    ...local.map(({ attachment }) => deviceName(attachment)),
  ];
  const links = await json<{ ifname: string }[]>('ip', '-n', netns, '-j', 'link');
  const there = links.map(({ ifname }) => ifname).filter((name) => !['lo', 'eth0'].includes(name));
  const ruleset = await nftRuleset(netns);
  const hasJoined = nodes.some(({ name }) => name === `node${number}`);
  const others = hasJoined ? nodes.filter(({ name }) => name !== `node${number}`) : [];
  const peers = others.map(({ address = 'no address' }) => address);
  const marks = ruleset
    .flatMap((object) => (isOfPeers(object) ? [] : keysOf(object)))
    .filter((key) => !wanted.includes(key));
  const vnis = new Set(networks.map(({ vni }) => String(vni)));
  const stray = [...new Set(marks)].filter((key) => !vnis.has(String(Number(key))));
  return [
    ...differences(`link on node${number}`, wanted, there),
    ...differences(`node in nftables of node${number}`, peers, ruleset.filter(isOfPeers).flatMap(addressesOf)),
    ...stray.map((key) => `leftover in nftables of node${number}: ${key}`),
  ];
}

type Key = string | number | { concat: (string | number)[] } | { elem: { val: Key } };

/** Bridge ports or VNIs in elements of sets and maps. */
function keysOf(object: object): string[] {
  const { set, map } = object as Record<'set' | 'map', { elem?: (Key | [Key, unknown])[] } | undefined>;
  const first = (key: Key): string => {
    if (typeof key !== 'object') return String(key);
    return 'elem' in key ? first(key.elem.val) : String(key.concat[0]);
  };
  return ((set ?? map)?.elem ?? []).map((element) => first(Array.isArray(element) ? element[0] : element));
}

/** Sets of VTEPs from which a node accepts packets. */
const isOfPeers = (object: object) => /^vteps/.test((object as { set?: { name: string } }).set?.name ?? '');

function addressesOf(object: object): string[] {
  const { set } = object as { set?: { elem?: { concat: [string, string] }[] } };
  return (set?.elem ?? []).map(({ concat }) => concat[1]);
}

function differences(what: string, wanted: readonly string[], there: readonly string[]): string[] {
  return [
    ...there.filter((each) => !wanted.includes(each)).map((each) => `leftover ${what}: ${each}`),
    ...wanted.filter((each) => !there.includes(each)).map((each) => `missing ${what}: ${each}`),
  ];
}
