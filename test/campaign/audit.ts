import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { desiredState } from '../../src/desired/desired-state.js';
import type { NetworkState } from '../../src/desired/network-state.js';
import { runtimeRoot } from '../../src/dnsmasq/index.js';
import type { NamespaceRef } from '../../src/kernel/namespace.js';
import type { Operation } from '../../src/kernel/operation.js';
import type { DesiredHost } from '../../src/plan/desired.js';
import { DELETION_GROUP } from '../../src/plan/group.js';
import { planHost } from '../../src/plan/host.js';
import { placeOf } from '../../src/records/names.js';
import { type PoolRecord, poolKeys } from '../../src/records/pools.js';
import { type HostRecord, type InterfaceRecord, keys, type NetworkRecord } from '../../src/records/records.js';
import type { Json, Store } from '../../src/store/store.js';
import { processes } from '../support/processes.js';
import { entriesOf, fixedPlaces, ipBatch, nameOfNamespace, nftRuleset } from './look.js';

/*
 * Compares the state of the machine, as external programs print it, with the plans for the records of the store. Unlike
 * reconciliation, it also detects extraneous objects, and it does not use the library to read the kernel.
 */

export interface Stage {
  store: Store;
  state: string;
  /** The namespace that represents the host. */
  node: string;
  /** Namespaces of containers. */
  guests: readonly string[];
  /** Links that existed on the host before the campaign. */
  links: readonly string[];
  /** Prefix of the networks' namespaces. */
  prefix: string;
}

type ObjectLists = Map<string, Set<string>>;

/** Descriptions of all differences. No operation may be in progress. */
export async function audit(stage: Stage): Promise<string[]> {
  const entries = await stage.store.list('');
  const states = statesOf(entries);
  const [wanted, there] = [expected(stage, entries, states), await actual(stage, states)];
  return [...auditStore(entries, states), ...differences(wanted, there), ...(await auditDnsmasq(stage, states))];
}

type Entries = { key: string; value: Json }[];

function valuesOf<Value>(entries: Entries, prefix: string): Value[] {
  return entries.filter(({ key }) => key.startsWith(prefix)).map(({ value }) => value as Value);
}

function statesOf(entries: Entries): NetworkState[] {
  const members = valuesOf<InterfaceRecord>(entries, keys.interfaces);
  return valuesOf<NetworkRecord>(entries, keys.networks).map((network) => ({
    network,
    members: members.filter((member) => member.network === network.uuid),
  }));
}

/** Checks that reservations and owners match, and that no operation is unfinished. */
function auditStore(entries: Entries, states: NetworkState[]): string[] {
  const found: string[] = [];
  const wanted = new Map<string, string | undefined>();
  for (const { network, members } of states) {
    const { uuid } = network;
    if (network.state !== 'created' || network.claim) found.push(`network ${uuid} is ${network.state}`);
    wanted
      .set(keys.network(uuid), undefined)
      .set(keys.name(network.tenant, network.name), undefined)
      .set(`vni/${network.vni}`, uuid);
    if (network.egress) wanted.set(`${keys.floating}/${network.egress.address}`, uuid);
    for (const [address, { state, claim }] of Object.entries(network.routed)) {
      if (state !== 'created' || claim) found.push(`routed address ${address} is ${state}`);
      wanted.set(`${keys.floating}/${address}`, uuid);
    }
    for (const member of members) {
      if (member.state !== 'created' || member.claim) found.push(`interface ${member.uuid} is ${member.state}`);
      wanted.set(keys.interface(member.uuid), undefined).set(keys.member(uuid, member.uuid), undefined);
      wanted.set(`${keys.addresses(uuid)}/${member.address}`, member.uuid);
      for (const mac of [member.mac, member.attachment.kind === 'device' ? member.attachment.mac : undefined]) {
        if (mac !== undefined) wanted.set(keys.mac(uuid, mac), member.uuid);
      }
      const place = placeOf(member);
      if (place !== undefined) wanted.set(place, member.uuid);
      if (member.slot?.isFree) wanted.set(poolKeys.free(member.slot.pool, member.uuid), undefined);
      if (member.hostname !== undefined) wanted.set(keys.hostname(uuid, member.hostname), member.uuid);
      const { floating } = member;
      if (floating && (floating.state !== 'created' || floating.claim)) {
        found.push(`floating address ${floating.address} is ${floating.state}`);
      }
      if (floating) wanted.set(`${keys.floating}/${floating.address}`, member.uuid);
    }
  }
  const pools = new Set(
    valuesOf<PoolRecord>(entries, poolKeys.pools)
      .filter(({ network }) => states.some((state) => state.network.uuid === network))
      .flatMap(({ network, uuid }) => [poolKeys.pool(network, uuid), poolKeys.usage(uuid)]),
  );
  for (const { key, value } of entries) {
    const { use, owner, network } = value as { use?: string; owner?: string; network?: string };
    if (/^(host$|ifindex|event|schema)/.test(key) || key.startsWith('device/') || use === 'halo') continue;
    if (pools.has(key)) continue;
    if (!wanted.has(key)) found.push(`the store holds ${key}, which nobody owns`);
    const named = typeof value === 'string' ? value : (owner ?? network);
    const owned = wanted.get(key);
    if (owned !== undefined && named !== owned) found.push(`the store gives ${key} to ${named} instead of ${owned}`);
    wanted.delete(key);
  }
  for (const key of wanted.keys()) found.push(`the store lacks ${key}`);
  const devices = entries.filter(({ key }) => key.startsWith('device/'));
  const interfaces = new Set(states.flatMap(({ members }) => members.map(({ uuid }) => uuid)));
  for (const { key, value } of devices) if (!interfaces.has(value as string)) found.push(`${key} has no interface`);
  if (devices.length !== interfaces.size) found.push(`${devices.length} devices of ${interfaces.size} interfaces`);
  return found;
}

const label = (stage: Stage, netns: NamespaceRef | undefined) =>
  netns === stage.node ? 'host' : nameOfNamespace(netns);

class Collection {
  readonly objects: ObjectLists = new Map();

  add(kind: string, object: string): void {
    const known = this.objects.get(kind) ?? new Set<string>();
    this.objects.set(kind, known.add(object));
  }
}

/** The expected state according to the planners. */
function expected(stage: Stage, entries: Entries, states: NetworkState[]): ObjectLists {
  const collection = new Collection();
  const record = entries.find(({ key }) => key === keys.host)?.value as HostRecord | undefined;
  if (record === undefined) return collection.objects;
  const host: DesiredHost = { ...record, netns: stage.node, egressMtu: 1500 };
  const plan: Operation[] = [
    ...planHost(host),
    ...states
      .flatMap((state) => desiredState({ host, underlay: { index: 0 } }, state)?.resources ?? [])
      .flatMap((resource) => resource.plan()),
  ];
  const names = new Map<number, string>();
  const nameOf = (index: number | undefined) => names.get(index as number) ?? 'none';
  for (const operation of plan) {
    if (operation.op === 'tap.add') names.set(operation.tap.index as number, operation.tap.name);
    if (operation.op !== 'link.add') continue;
    names.set(operation.link.index as number, operation.link.name);
    if (operation.link.kind !== 'veth') continue;
    const { peer } = operation.link.data;
    names.set(peer.index as number, peer.name as string);
    if (isWatched(stage, peer.netns)) collection.add('link', `${label(stage, peer.netns)} ${peer.name} in none`);
  }
  for (const { attachment } of states.flatMap(({ members }) => members)) {
    if (attachment.kind === 'device') names.set(attachment.index, attachment.name);
  }
  const masters = new Map<number, number>();
  for (const operation of plan) {
    if (operation.op === 'link.add') masters.set(operation.link.index as number, operation.link.master ?? 0);
    const set = operation.op === 'link.set' && 'index' in operation.link ? operation : undefined;
    if (set?.changes.master !== undefined) masters.set((set.link as { index: number }).index, set.changes.master);
  }
  for (const [index, master] of masters) {
    if (names.has(index)) collection.add('link', `host ${nameOf(index)} in ${nameOf(master)}`);
  }
  for (const { network, members } of states) {
    collection.add('namespace', network.uuid);
    for (const { attachment } of members) {
      if (attachment.kind !== 'device') continue;
      collection.add('link', `host ${attachment.name} in ${nameOf(network.bridge.index)}`);
    }
  }
  for (const operation of plan) {
    const where = 'netns' in operation ? label(stage, operation.netns) : '';
    if (!('netns' in operation) || !isWatched(stage, operation.netns)) continue;
    if (operation.op === 'address.add') {
      collection.add('address', `${where} ${operation.address.address} of ${nameOf(operation.address.index)}`);
    } else if (operation.op === 'route.add') {
      const { destination, index, table = 254 } = operation.route;
      collection.add('route', `${where} ${destination.replace('/32', '')} by ${nameOf(index)} in ${table}`);
    } else if (operation.op === 'rule.add') {
      collection.add('rule', `${where} mark ${operation.rule.mark} to ${operation.rule.table}`);
    } else if (operation.op === 'neighbour.add') {
      const { family, proxy, destination, address, index } = operation.neighbour;
      if (family === 'bridge') collection.add('place', `${where} ${address} at ${nameOf(index)}`);
      else if (proxy) collection.add('proxy', `${where} ${destination}`);
      else collection.add('neighbour', `${where} ${destination} at ${address} by ${nameOf(index)}`);
    } else if (operation.op === 'nftables.batch') {
      for (const command of operation.commands) {
        if (command.command !== 'element.add') continue;
        for (const element of command.elements) {
          const data = element.data === undefined ? '' : ` to ${element.data}`;
          collection.add(
            'element',
            `${where} ${command.table} ${command.set} ${[element.key].flat().join(' . ')}${data}`,
          );
        }
      }
    }
  }
  return collection.objects;
}

/** There is no expected state for deleted containers. */
function isWatched(stage: Stage, netns: NamespaceRef | undefined): boolean {
  const name = nameOfNamespace(netns);
  return name === stage.node || stage.guests.includes(name) || name.startsWith(stage.prefix);
}

/** The actual state according to `ip` and `nft`. */
async function actual(stage: Stage, states: NetworkState[]): Promise<ObjectLists> {
  const collection = new Collection();
  const named = (await readdir('/run/netns')).filter((name) => name.startsWith(stage.prefix));
  for (const name of named) collection.add('namespace', name);
  const networks = new Set(states.map(({ network }) => network.uuid).filter((uuid) => named.includes(uuid)));
  await Promise.all([
    lookInto(stage, collection, stage.node),
    ...stage.guests.map((guest) => lookInto(stage, collection, guest)),
    ...[...networks].map((network) => lookInto(stage, collection, network)),
  ]);
  return collection.objects;
}

interface IpAddress {
  ifname: string;
  master?: string;
  group?: string;
  addr_info: { family: string; local: string; prefixlen: number }[];
}

interface IpRoute {
  dst: string;
  dev?: string;
  table?: string;
  protocol?: string;
}

interface IpRule {
  priority: number;
  fwmark?: string;
  table: string;
}

interface IpNeighbour {
  dst: string;
  lladdr: string;
  dev: string;
}

async function lookInto(stage: Stage, collection: Collection, netns: string): Promise<void> {
  const isHost = netns === stage.node;
  const isGuest = stage.guests.includes(netns);
  const where = label(stage, netns);
  const own = (device: string | undefined) => device !== 'lo' && !(isHost && stage.links.includes(device ?? ''));
  const [[links = [], routes = [], rules = [], proxies = [], neighbours = []], nft] = await Promise.all([
    ipBatch(netns) as Promise<[IpAddress[]?, IpRoute[]?, IpRule[]?, { dst: string }[]?, IpNeighbour[]?]>,
    isGuest ? [] : (nftRuleset(netns) as Promise<NftItem[]>),
  ]);
  for (const { ifname, master, group, addr_info } of links) {
    if (group === String(DELETION_GROUP)) collection.add('link', `${where} ${ifname} out of service`);
    if (own(ifname) || master?.includes('vxlan')) collection.add('link', `${where} ${ifname} in ${master ?? 'none'}`);
    for (const { family, local, prefixlen } of addr_info) {
      if (family === 'inet' && own(ifname)) collection.add('address', `${where} ${local}/${prefixlen} of ${ifname}`);
    }
  }
  for (const { dst, dev, table = '254', protocol } of routes) {
    if (own(dev) && protocol !== 'kernel' && !dst.includes(':'))
      collection.add('route', `${where} ${dst} by ${dev} in ${table}`);
  }
  for (const { priority, fwmark, table } of isHost || isGuest ? [] : rules) {
    if (priority === 1000) collection.add('rule', `${where} mark ${Number(fwmark)} to ${table}`);
  }
  for (const { mac, ifname } of isHost ? await fixedPlaces(netns) : []) {
    collection.add('place', `${where} ${mac} at ${ifname}`);
  }
  for (const { dst } of isHost ? proxies : []) collection.add('proxy', `${where} ${dst}`);
  for (const { dst, lladdr, dev } of neighbours) {
    if (own(dev) && !dst.includes(':')) collection.add('neighbour', `${where} ${dst} at ${lladdr} by ${dev}`);
  }
  for (const object of nft.flatMap(elementsOf)) collection.add('element', `${where} ${object}`);
}

type NftItem = Record<string, { table: string; name: string; elem?: NftElement[] }>;
type NftElement = NftKey | [NftKey, string] | { elem: { val: NftKey } };
type NftKey = string | number | { concat: string[] };

function elementsOf(item: NftItem): string[] {
  const set = item.set ?? item.map;
  return (set?.elem ?? []).map((element) => {
    const [key, data] = Array.isArray(element) ? element : [element];
    const plain = typeof key === 'object' && 'elem' in key ? key.elem.val : key;
    const text = typeof plain === 'object' ? plain.concat.join(' . ') : String(plain);
    return `${set?.table} ${set?.name} ${text}${data === undefined ? '' : ` to ${data}`}`;
  });
}

function differences(wanted: ObjectLists, there: ObjectLists): string[] {
  const kinds = new Set([...wanted.keys(), ...there.keys()]);
  return [...kinds].flatMap((kind) => {
    const [left, right] = [wanted.get(kind) ?? new Set(), there.get(kind) ?? new Set()];
    return [
      ...[...left].filter((object) => !right.has(object)).map((object) => `missing ${kind}: ${object}`),
      ...[...right].filter((object) => !left.has(object)).map((object) => `orphan ${kind}: ${object}`),
    ];
  });
}

const FILE = /^(dhcp-hosts|names|leases|log|pid|dnsmasq-[0-9a-f]{12}\.conf)$/;

/** Checks the dnsmasq processes and files: one per network with DHCP or DNS, no lease without reservation, no others. */
async function auditDnsmasq({ state }: Stage, states: NetworkState[]): Promise<string[]> {
  const found: string[] = [];
  const root = await runtimeRoot(state);
  const served = states.filter(({ network }) => network.provideDhcp || network.provideDns);
  const running = await processes(`^[^ ]*dnsmasq --conf-file=${root}/`);
  for (const { network } of served) {
    const own = running.filter((line) => line.includes(network.uuid));
    if (own.length !== 1) found.push(`${own.length} dnsmasqs serve network ${network.uuid}`);
  }
  const orphans = running.filter((line) => !served.some(({ network }) => line.includes(network.uuid)));
  found.push(...orphans.map((line) => `orphan process: ${line}`));
  const folders = await entriesOf(root);
  // A killed process leaves its lock file. The next process that takes the lock removes it.
  const isLock = (name: string) => served.some(({ network }) => name === `${network.uuid}.lock`);
  for (const folder of folders.filter((name) => !isLock(name))) {
    const recorded = served.find(({ network }) => network.uuid === folder);
    if (recorded === undefined) {
      found.push(`orphan folder: ${join(root, folder)}`);
      continue;
    }
    const files = await readdir(join(root, folder));
    found.push(...files.filter((file) => !FILE.test(file)).map((file) => `orphan file: ${join(root, folder, file)}`));
    if (files.filter((file) => file.endsWith('.conf')).length !== 1) found.push(`configurations: ${files.join(' ')}`);
    // dnsmasq creates the file with the first lease.
    const leases = files.includes('leases') ? await readFile(join(root, folder, 'leases'), 'utf8') : '';
    for (const line of leases.split('\n').filter((text) => /^\d+ /.test(text))) {
      const [, mac, address] = line.split(' ');
      if (!recorded.members.some((member) => member.mac === mac && member.address === address)) {
        found.push(`orphan lease: ${line}`);
      }
    }
  }
  return found;
}
