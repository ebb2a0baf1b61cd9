import type { Contender, FloatSpec, NetworkSpec } from './contender.js';
import { json, run } from './look.js';
import { EGRESS_BRIDGE, FLOATING_GATEWAY, type Slot } from './stage.js';

/*
 * Verifies the results of the operations with `ip` and `nft`. Figures are recorded only after a successful verification.
 */

/** The state of the kernel differs from the expected state. */
export class VerificationError extends Error {
  override readonly name = 'VerificationError';
}

interface IpLink {
  ifname: string;
  flags: string[];
  mtu: number;
  master?: string;
  linkinfo?: { info_kind?: string; info_data?: { id?: number } };
}

interface IpAddress extends IpLink {
  addr_info: { local: string; prefixlen: number; family: string }[];
}

interface IpRoute {
  dst: string;
  gateway?: string;
  dev: string;
}

/** Maximum of verified namespaces: each needs three processes. The host's namespace is verified completely. */
const SAMPLE = 32;

function check(holds: boolean | undefined, what: string): asserts holds {
  if (!holds) throw new VerificationError(what);
}

const ip = <Value>(...args: string[]): Promise<Value> => json<Value>(['ip', '-j', ...args]);
const inside = <Value>(netns: string, ...args: string[]): Promise<Value> => ip<Value>('-n', netns, ...args);
const isUp = (link: IpLink | undefined) => link?.flags.includes('UP') === true;

/** Ports of a bridge that are up. */
async function portsOf(bridge: string): Promise<string[]> {
  return (await ip<IpLink[]>('link', 'show', 'master', bridge)).filter(isUp).map(({ ifname }) => ifname);
}

/** An evenly spaced sample of the list, including its first and last elements. */
function sample<Value>(values: readonly Value[]): Value[] {
  if (values.length <= SAMPLE) return [...values];
  return Array.from(
    { length: SAMPLE },
    (_, index) => values[Math.floor((index * (values.length - 1)) / (SAMPLE - 1))],
  ).filter((value) => value !== undefined);
}

/**
 * Number of links of the host. Another process counts them: thousands of parsed links would cause a garbage collection in
 * this process during the measured operation.
 */
async function countLinks(): Promise<number> {
  return Number(await run(['sh', '-c', `ip -j link | grep -o '"ifindex":' | wc -l`]));
}

/** State of the host before an operation, to detect its changes. */
export interface Before {
  ports: readonly string[];
  links: number;
}

export async function readState({ lan }: Contender): Promise<Before> {
  const [ports, links] = await Promise.all([portsOf(lan.bridge), countLinks()]);
  return { ports, links };
}

/** Verifies that each slot has its interface. */
export async function verifyAttached({ lan }: Contender, slots: readonly Slot[], before: Before): Promise<void> {
  const ports = (await portsOf(lan.bridge)).length - before.ports.length;
  check(ports === slots.length, `${ports} new ports of ${lan.bridge} are up instead of ${slots.length}`);
  for (const { netns } of sample(slots)) {
    const [links, routes] = await Promise.all([
      inside<IpAddress[]>(netns, 'address'),
      inside<IpRoute[]>(netns, 'route'),
    ]);
    const eth0 = links.find(({ ifname }) => ifname === 'eth0');
    check(isUp(eth0), `eth0 in ${netns} is not up`);
    const loopback = isUp(links.find(({ ifname }) => ifname === 'lo'));
    check(loopback || lan.without?.includes('loopback'), `lo in ${netns} is not up`);
    const addresses = eth0?.addr_info.filter(({ family }) => family === 'inet') ?? [];
    check(
      addresses.length === 1 && addresses[0]?.prefixlen === lan.prefix,
      `eth0 in ${netns} does not have exactly one address with prefix length ${lan.prefix}`,
    );
    const route = routes.some(
      ({ dst, gateway, dev }) => dst === 'default' && gateway === lan.gateway && dev === 'eth0',
    );
    check(route || lan.without?.includes('default route'), `${netns} has no default route via ${lan.gateway}`);
  }
}

export async function verifyTaps({ lan }: Contender, slots: readonly Slot[], before: Before): Promise<void> {
  const links = await ip<IpLink[]>('-d', 'link', 'show', 'master', lan.bridge);
  const taps = links.filter((link) => isUp(link) && link.linkinfo?.info_kind === 'tun');
  check(taps.length === slots.length, `${taps.length} taps in ${lan.bridge} are up instead of ${slots.length}`);
  check(links.length - before.ports.length === slots.length, `${lan.bridge} has ports other than the taps`);
}

/** Verifies that the slots' interfaces are out of service: deleted, or down and not a port of a bridge. */
export async function verifyOutOfService({ lan }: Contender, slots: readonly Slot[], before: Before): Promise<void> {
  const ports = (await ip<IpLink[]>('link', 'show', 'master', lan.bridge)).length - before.ports.length;
  check(ports === 0, `${ports} ports are still in ${lan.bridge}`);
  for (const { netns } of sample(slots)) {
    const links = await inside<IpLink[]>(netns, 'link');
    const left = links.filter(({ ifname, flags }) => ifname === 'eth0' || (ifname !== 'lo' && flags.includes('UP')));
    check(left.length === 0, `${left.map(({ ifname }) => ifname).join(', ')} in ${netns} is still in service`);
  }
}

/** Verifies that the slots' interfaces are deleted. */
export async function verifyGone(_contender: Contender, slots: readonly Slot[], before: Before): Promise<void> {
  const links = await countLinks();
  check(links === before.links, `the host has ${links} links instead of ${before.links}`);
  for (const { netns } of sample(slots)) {
    const left = (await inside<IpLink[]>(netns, 'link')).filter(({ ifname }) => ifname !== 'lo');
    check(left.length === 0, `${left.map(({ ifname }) => ifname).join(', ')} is left in ${netns}`);
  }
}

const hex = (vni: number) => vni.toString(16).padStart(6, '0');

/** Verifies that the network has the objects of the walk-through. */
export async function verifyNetwork(spec: NetworkSpec): Promise<void> {
  const { uuid, vni } = spec;
  const id = hex(vni);
  const [outer, inner, routes, ruleset, forwarding] = await Promise.all([
    ip<IpLink[]>('-d', 'link'),
    inside<IpAddress[]>(uuid, 'address'),
    inside<IpRoute[]>(uuid, 'route'),
    run(['ip', 'netns', 'exec', uuid, 'nft', '-j', 'list', 'ruleset']),
    run(['ip', 'netns', 'exec', uuid, 'cat', '/proc/sys/net/ipv4/ip_forward']),
  ]);
  const find = (name: string) => outer.find(({ ifname }) => ifname === name);
  check(isUp(find(`br-vxlan-${id}`)), `br-vxlan-${id} is not up`);
  const vxlan = find(`vxlan-${id}`);
  check(vxlan?.linkinfo?.info_data?.id === vni, `vxlan-${id} does not have VNI ${vni}`);
  const ports = {
    [`vxlan-${id}`]: `br-vxlan-${id}`,
    [`veth-${id}-o`]: `br-vxlan-${id}`,
    [`egr-${id}-o`]: EGRESS_BRIDGE,
  };
  for (const [name, bridge] of Object.entries(ports)) {
    check(isUp(find(name)) && find(name)?.master === bridge, `${name} is not an active port of ${bridge}`);
  }
  for (const [name, address] of [
    [`veth-${id}-i`, spec.gatewayCidr],
    [`egr-${id}-i`, spec.egressCidr],
  ] as const) {
    const link = inner.find(({ ifname }) => ifname === name);
    check(isUp(link), `${name} is not up`);
    const has = link?.addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`) ?? [];
    // vethwork chooses the floating gateway.
    const holds = name.startsWith('egr') ? has.some((each) => each.startsWith('10.200.')) : has.includes(address);
    check(holds, `${name} has ${has.join(', ')} instead of ${address}`);
  }
  check(
    routes.some(({ dst, gateway }) => dst === 'default' && gateway === FLOATING_GATEWAY),
    `${uuid} has no default route via ${FLOATING_GATEWAY}`,
  );
  check(/masquerade/i.test(ruleset), `${uuid} has no masquerade rule`);
  check(forwarding.trim() === '1', `${uuid} does not forward IPv4 packets`);
  const servers = (await run(['ip', 'netns', 'pids', uuid])).split('\n').filter(Boolean).length;
  check(servers === (spec.dhcp ? 1 : 0), `${servers} processes run in ${uuid}`);
}

export async function verifyNetworkGone({ uuid, vni }: NetworkSpec): Promise<void> {
  const names = (await ip<IpLink[]>('link')).map(({ ifname }) => ifname).filter((name) => name.includes(hex(vni)));
  check(names.length === 0, `${names.join(', ')} are left`);
  const namespaces = await json<{ name: string }[]>(['ip', '-j', 'netns']);
  check(!namespaces.some(({ name }) => name === uuid), `the namespace ${uuid} is left`);
}

/** Verifies that each floating address has its veth pair and is translated. */
export async function verifyFloating({ uuid }: NetworkSpec, floats: readonly FloatSpec[]): Promise<void> {
  const [outer, inner, ruleset] = await Promise.all([
    ip<IpLink[]>('link'),
    inside<IpAddress[]>(uuid, 'address'),
    run(['ip', 'netns', 'exec', uuid, 'nft', '-j', 'list', 'ruleset']),
  ]);
  for (const { address, target } of floats) {
    const id = address
      .split('.')
      .map((byte) => Number(byte).toString(16).padStart(2, '0'))
      .join('');
    check(
      outer.some(({ ifname }) => ifname === `flt-${id}-o`),
      `flt-${id}-o is missing`,
    );
    const link = inner.find(({ ifname }) => ifname === `flt-${id}-i`);
    check(
      link?.addr_info.some(({ local }) => local === address),
      `flt-${id}-i does not have address ${address}`,
    );
    check(ruleset.includes(`"${address}"`), `no rule translates ${address}`);
    check(ruleset.includes(`"${target}"`) || ruleset.includes('DNAT'), `no rule translates to ${target}`);
  }
}

export async function verifyNotFloating({ uuid }: NetworkSpec, floats: readonly FloatSpec[]): Promise<void> {
  const links = await inside<IpAddress[]>(uuid, 'address');
  const ruleset = await run(['ip', 'netns', 'exec', uuid, 'nft', '-j', 'list', 'ruleset']);
  for (const { address } of floats) {
    check(!links.some(({ addr_info }) => addr_info.some(({ local }) => local === address)), `${address} is left`);
    check(!ruleset.includes(`"${address}"`), `${address} is still translated`);
  }
}
