import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Operation } from '../../src/kernel/operation.js';
import { pidsIn } from '../support/host.js';
import { eventually, json, sh } from '../support/namespaces.js';
import { nameOfNamespace } from './look.js';

/** Whose packets may be lost: those of the network, of all networks at the egress bridge, or of the whole host. */
export type Reach = 'network' | 'egress' | 'host';

/** A modification of vethwork's objects by another program. */
export interface Harm {
  what: string;
  /** Text that the report must contain. */
  names: string;
  reach: Reach;
  inflict: () => Promise<unknown>;
}

interface Place {
  netns: string;
  /** Names of links in reports, and in `ip`. */
  nameOf: (index: number) => string;
  reach: Reach;
  /** vethwork does not remove objects that others add to a container or to a bridge of the host. */
  mayBeAddedTo?: boolean;
}

type In<Op extends Operation['op']> = Extract<Operation, { op: Op }>;

const write = (netns: string, key: string, value: string | number) =>
  sh(
    'ip',
    'netns',
    'exec',
    netns,
    'sysctl',
    '-qw',
    `net.${key.replaceAll('.', '#').replaceAll('/', '.').replaceAll('#', '/')}=${value}`,
  );

/** Sysctls of a device, by their names in /proc/sys/net/ipv4/conf. */
const INET: Record<string, string> = {
  forwarding: 'forwarding',
  rpFilter: 'rp_filter',
  arpIgnore: 'arp_ignore',
  arpAnnounce: 'arp_announce',
  arpNotify: 'arp_notify',
  sendRedirects: 'send_redirects',
  acceptRedirects: 'accept_redirects',
};

/** All modifications with `ip` of the objects of a plan in one namespace. */
export function harmsOf(plan: readonly Operation[], place: Place): Harm[] {
  const here = plan.filter((operation) => 'netns' in operation && nameOfNamespace(operation.netns) === place.netns);
  return here.flatMap((operation): Harm[] => {
    switch (operation.op) {
      case 'link.add':
      case 'tap.add':
        return linkHarms(operation, place);
      case 'link.set':
        return settingHarms(operation, place);
      case 'address.add':
        return addressHarms(operation, place);
      case 'route.add':
        return routeHarms(operation, place);
      case 'rule.add':
        return [
          harm(place, `rule ${operation.rule.mark} is deleted`, `rule ${operation.rule.priority}`, () =>
            ip(place, 'rule', 'delete', 'priority', '1000', 'fwmark', String(operation.rule.mark)),
          ),
        ];
      case 'link.ipv6':
        return [ipv6Harm(operation, place)];
      case 'neighbour.add':
        if (operation.neighbour.family === 'bridge') return [placeHarm(operation, place)];
        return neighbourHarms(operation, place);
      case 'sysctl.set':
        return [
          harm(place, `${operation.key} is changed`, operation.key, () =>
            // The kernel rounds times to ticks: a small value would be read back as 0.
            write(place.netns, operation.key, Number(operation.value) === 0 ? 80 : 0),
          ),
        ];
      default:
        return [];
    }
  });
}

const ip = (place: Place, ...args: string[]) => sh('ip', '-n', place.netns, ...args);

function harm({ reach, netns }: Place, what: string, names: string, inflict: () => Promise<unknown>): Harm {
  return { what: `${what} (${netns})`, names, reach, inflict };
}

function linkHarms(operation: In<'link.add'> | In<'tap.add'>, place: Place): Harm[] {
  const { name } = operation.op === 'tap.add' ? operation.tap : operation.link;
  const set = (what: string, ...args: string[]) =>
    harm(place, `${name}: ${what}`, name, () => ip(place, 'link', 'set', name, ...args));
  const rename = async () => {
    await ip(place, 'link', 'set', name, 'down');
    await ip(place, 'link', 'set', name, 'name', 'stranger');
  };
  const harms = [
    harm(place, `${name} is deleted`, name, () => ip(place, 'link', 'delete', name)),
    harm(place, `${name} is renamed`, name, rename),
  ];
  if (operation.op === 'tap.add') return harms;
  const { kind, address, master } = operation.link;
  if (address !== undefined) harms.push(set('its MAC is changed', 'address', '02:de:ad:be:ef:01'));
  if (master !== undefined) harms.push(set('it is taken out of its bridge', 'nomaster'));
  if (kind === 'bridge') {
    harms.push(set('spanning tree is switched on', 'type', 'bridge', 'stp_state', '1'));
    harms.push(set('snooping is switched on', 'type', 'bridge', 'mcast_snooping', '1'));
    harms.push(set('it learns from reserved frames', 'type', 'bridge', 'no_linklocal_learn', '0'));
  }
  if (kind === 'vxlan') harms.push(set('it no longer learns', 'type', 'vxlan', 'nolearning'));
  if (kind !== 'veth') harms.push(set('its MTU is changed', 'mtu', '1300'));
  return harms;
}

/** Includes the inner ends of veth pairs, because their settings can be repaired. */
function settingHarms({ link, changes }: In<'link.set'>, place: Place): Harm[] {
  if (!('index' in link)) return [];
  const name = place.nameOf(link.index);
  const set = (what: string, ...args: string[]) =>
    harm(place, `${name}: ${what}`, name, () => ip(place, 'link', 'set', name, ...args));
  const { up, alias, group, mtu, master, address, inet, inet6, port } = changes;
  return [
    ...(up === true ? [set('it is down', 'down')] : []),
    ...(alias === undefined ? [] : [set('its alias is changed', 'alias', 'mine')]),
    ...(group === undefined ? [] : [set('its group is changed', 'group', '5')]),
    ...(port === undefined ? [] : [set('it keeps reserved addresses', 'type', 'bridge_slave', 'group_fwd_mask', '0')]),
    ...(mtu === undefined ? [] : [set('its MTU is changed', 'mtu', '1300')]),
    ...(master === undefined ? [] : [set('it is taken out of its bridge', 'nomaster')]),
    ...(address === undefined ? [] : [set('its MAC is changed', 'address', '02:de:ad:be:ef:02')]),
    ...(inet6?.addressGeneration === undefined ? [] : [set('it makes IPv6 addresses', 'addrgenmode', 'random')]),
    ...Object.entries(inet ?? {}).map(([key, value]) => {
      const setting = INET[key] as string;
      return harm(place, `${name}: ${setting} is changed`, name, () =>
        write(place.netns, `ipv4/conf/${name}/${setting}`, value === 0 ? 1 : 0),
      );
    }),
  ];
}

function ipv6Harm({ index }: In<'link.ipv6'>, place: Place): Harm {
  const name = place.nameOf(index);
  return harm(place, `${name}: it gets IPv6`, name, () => write(place.netns, `ipv6/conf/${name}/disable_ipv6`, 0));
}

function placeHarm({ neighbour: { index, address } }: In<'neighbour.add'>, place: Place): Harm {
  const [mac, name] = [String(address), place.nameOf(index)];
  return harm(place, `${name}: the entry of ${mac} is deleted`, mac, () =>
    sh('bridge', '-n', place.netns, 'fdb', 'delete', mac, 'dev', name, 'master'),
  );
}

function addressHarms({ address: { address, index } }: In<'address.add'>, place: Place): Harm[] {
  const name = place.nameOf(index);
  const all = [
    harm(place, `${name}: ${address} is deleted`, address, () => ip(place, 'address', 'delete', address, 'dev', name)),
    harm(place, `${name}: another address is added`, name, () =>
      ip(place, 'address', 'add', '10.99.1.1/24', 'dev', name),
    ),
  ];
  return place.mayBeAddedTo ? all.slice(0, 1) : all;
}

function routeHarms({ route }: In<'route.add'>, place: Place): Harm[] {
  const { destination, index, table = 254 } = route;
  const name = place.nameOf(index as number);
  const where = ['dev', name, 'table', String(table)];
  const all = [
    harm(place, `the route to ${destination} in table ${table} is deleted`, destination, () =>
      ip(place, 'route', 'delete', destination, ...where),
    ),
    harm(place, `a route by ${name} is added to table ${table}`, '10.98.0.0/16', () =>
      ip(place, 'route', 'add', '10.98.0.0/16', ...where),
    ),
  ];
  return place.mayBeAddedTo ? all.slice(0, 1) : all;
}

function neighbourHarms({ neighbour }: In<'neighbour.add'>, place: Place): Harm[] {
  const { proxy, destination = '', index } = neighbour;
  const where = ['dev', place.nameOf(index)];
  const kind = proxy ? 'proxy entry' : 'neighbour';
  const deleted = harm(place, `the ${kind} ${destination} is deleted`, destination, () =>
    ip(place, 'neigh', 'delete', ...(proxy ? ['proxy'] : []), destination, ...where),
  );
  if (proxy) return [deleted];
  const wrong = ['lladdr', '02:de:ad:be:ef:01', ...where, 'nud', 'permanent'];
  const all = [
    deleted,
    harm(place, `the neighbour ${destination} gets another MAC`, destination, () =>
      ip(place, 'neigh', 'replace', destination, ...wrong),
    ),
    harm(place, `a neighbour is added to ${place.nameOf(index)}`, '10.98.0.1', () =>
      ip(place, 'neigh', 'replace', '10.98.0.1', ...wrong),
    ),
  ];
  // vethwork does not remove objects that others add to links of the host or inside a container.
  return place.nameOf(index).endsWith('-i') ? all : all.slice(0, 2);
}

interface NftItem {
  chain?: { family: string; table: string; name: string };
  rule?: { family: string; table: string; chain: string; handle: number; comment?: string };
  set?: { family: string; table: string; name: string };
  map?: { family: string; table: string; name: string };
  table?: { family: string; name: string };
}

/** All modifications of a ruleset with `nft`, for each rule. */
export async function rulesetHarms(netns: string, reachOf: (family?: string) => Reach): Promise<Harm[]> {
  const nft = (...args: string[]) => sh('ip', 'netns', 'exec', netns, 'nft', ...args);
  const ruleset = async () =>
    (await json<{ nftables: NftItem[] }>('ip', 'netns', 'exec', netns, 'nft', '-j', 'list', 'ruleset')).nftables;
  const harm = (what: string, inflict: () => Promise<unknown>, family?: string): Harm => ({
    ...{ what: `${what} (${netns})`, names: 'nftables', reach: reachOf(family), inflict },
  });
  /** Rules are identified by their comments, because their handles change with a repair. */
  const deleteRule = async ({ family, table, chain, comment }: NonNullable<NftItem['rule']>) => {
    const isIt = (rule: NftItem['rule']) =>
      rule?.family === family && rule.table === table && rule.chain === chain && rule.comment === comment;
    const found = (await ruleset()).find(({ rule }) => isIt(rule))?.rule;
    await nft('delete', 'rule', family, table, chain, 'handle', String(found?.handle));
  };
  const harmsOfItem = ({ table, chain, rule, set, map }: NftItem): Harm[] => {
    if (table) {
      const { family, name } = table;
      return [harm(`the table ${family} ${name} is deleted`, () => nft('delete', 'table', family, name), family)];
    }
    if (rule) return [harm(`the rule "${rule.comment}" is deleted`, () => deleteRule(rule), rule.family)];
    if (chain) {
      const { family, name } = chain;
      const at = [family, chain.table, name];
      return [
        harm(`the chain ${name} is flushed`, () => nft('flush', 'chain', ...at), family),
        harm(`a rule is put into the chain ${name}`, () => nft('insert', 'rule', ...at, 'counter', 'accept'), family),
      ];
    }
    const keys = set ?? map;
    // Elements of sets that packets update are dynamic.
    if (!keys || ['asked', 'dns-queries', 'dns-clients'].includes(keys.name)) return [];
    const at = [map ? 'map' : 'set', keys.family, keys.table, keys.name];
    // A lone host accepts no VXLAN packets. The modification adds a rule that accepts them.
    if (keys.name.startsWith('vteps')) {
      const element = `{ "eth0" . ${keys.name === 'vteps' ? '10.9.9.9' : 'fd09::9'} }`;
      const letIn = () => nft('add', 'element', keys.family, keys.table, keys.name, element);
      return [harm(`somebody is put into ${keys.name}`, letIn, keys.family)];
    }
    return [harm(`${keys.name} is emptied`, () => nft('flush', ...at), keys.family)];
  };
  const items = await ruleset();
  return [harm('the ruleset is flushed', () => nft('flush', 'ruleset')), ...items.flatMap(harmsOfItem)];
}

/**
 * Modifications of the dnsmasq and of the namespace of a network.
 * @param isGone resolves to true when the kernel has deleted the links of a deleted namespace, which is asynchronous
 */
export function serviceHarms(network: string, runtime: string, isGone: () => Promise<boolean>): Harm[] {
  const folder = join(runtime, network);
  const killAll = async (signal: NodeJS.Signals) => {
    const pids = await pidsIn(network);
    for (const pid of pids) process.kill(pid, signal);
    await eventually(async () => !(await pidsIn(network)).some((pid) => pids.includes(pid)));
  };
  const service = (what: string, inflict: () => Promise<unknown>): Harm => ({
    ...{ what: `dnsmasq: ${what}`, names: 'dnsmasq', reach: 'network', inflict },
  });
  const config = async () => join(folder, (await readdir(folder)).find((name) => name.endsWith('.conf')) as string);
  return [
    service('it is killed', () => killAll('SIGKILL')),
    service('it gets SIGTERM', () => killAll('SIGTERM')),
    service('its configuration is changed', async () => writeFile(await config(), 'port=0\n')),
    service('its configuration is removed', async () => rm(await config())),
    service('its reservations are emptied', () => writeFile(join(folder, 'dhcp-hosts'), '')),
    service('its folder is removed', () => rm(folder, { recursive: true })),
    {
      what: 'the namespace is deleted',
      names: network,
      reach: 'network',
      inflict: async () => {
        await killAll('SIGKILL');
        await sh('ip', 'netns', 'delete', network);
        await eventually(isGone);
      },
    },
  ];
}
