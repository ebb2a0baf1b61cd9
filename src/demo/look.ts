import { inside, json, run } from './tools.js';

/* Reads the state of a namespace with `ip` and `nft`. */

export interface Link {
  ifname: string;
  mtu: number;
  address: string;
  flags: string[];
  master?: string;
  linkinfo?: { info_kind?: string; info_data?: { id?: number } };
  addr_info?: { family: string; local: string; prefixlen: number }[];
}

/** All links of a namespace, by name, with their addresses. */
export async function links(netns: string): Promise<Map<string, Link>> {
  const [details, addresses] = await Promise.all([
    json<Link[]>(['ip', '-n', netns, '-d', '-j', 'link']),
    json<Link[]>(['ip', '-n', netns, '-j', 'address']),
  ]);
  const addressed = new Map(addresses.map((link) => [link.ifname, link.addr_info ?? []]));
  return new Map(details.map((link) => [link.ifname, { ...link, addr_info: addressed.get(link.ifname) ?? [] }]));
}

/** IPv4 addresses of a link, as `192.168.15.1/24`. */
export function ipv4(link: Link | undefined): string[] {
  return (link?.addr_info ?? [])
    .filter(({ family }) => family === 'inet')
    .map(({ local, prefixlen }) => `${local}/${prefixlen}`);
}

/** Names of the ports of a bridge, sorted. */
export function ports(all: Map<string, Link>, bridge: string): string[] {
  return [...all.values()]
    .filter((link) => link.master === bridge)
    .map((link) => link.ifname)
    .sort();
}

/** The routes of the main table, as `ip route` prints them. */
export async function routes(netns: string): Promise<string[]> {
  const text = await run(['ip', '-n', netns, 'route']);
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

export function ruleset(netns: string): Promise<string> {
  return run(inside(netns, 'nft', 'list', 'ruleset'));
}

/** The state that a complete removal restores: links, addresses, routes, rules, nftables. */
export async function snapshot(netns: string): Promise<string> {
  const all = [...(await links(netns)).values()].map((link) => [
    link.ifname,
    link.mtu,
    link.master ?? '',
    ...ipv4(link),
  ]);
  const rules = await run(['ip', '-n', netns, 'rule']);
  return JSON.stringify({ links: all, routes: await routes(netns), rules, nftables: await ruleset(netns) });
}
