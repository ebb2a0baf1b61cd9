import { networkOfAddress, parseNetblock } from '../ipam/netblock.js';
import type { Link } from '../kernel/link/index.js';
import type { Pair } from '../plan/desired.js';
import { addressOfFloatingName, factsOfAlias, networkNames, networkOfAlias, vniOfBridgeName } from '../plan/names.js';
import type { NetworkRecord } from '../records/records.js';
import { addressesOf, elementsOf, type Reading, type Rebuilt } from './reading.js';

/** A network that the kernel describes completely. */
export interface RebuiltNetwork {
  record: NetworkRecord;
  /** Pairs of floating addresses, and the addresses of the instances that they lead to. */
  floating: { address: string; pair: Pair; target: string }[];
  /** Names of properties that got a default value, because the kernel does not know them. */
  defaults: string[];
  /** Objects of the network that were not understood, with reasons. */
  skipped: { name: string; reason: string }[];
}

/** Table of a network's namespace. */
const TABLE = 'ip vethwork';

/**
 * Rebuilds the record of a network from its links, and from the addresses and the ruleset of its namespace.
 * @param outer links with the network's alias, in the namespace of the host
 * @param inside the network's namespace
 * @param fallback default values
 */
export function rebuildNetwork(
  uuid: string,
  { outer, inside }: { outer: readonly Link[]; inside: Reading },
  fallback: { tenant: string; services?: { provideDhcp: boolean; provideDns: boolean } | undefined },
): Rebuilt<RebuiltNetwork> {
  const bridge = outer.find(({ kind, name }) => kind === 'bridge' && vniOfBridgeName(name) !== undefined);
  const vni = bridge && vniOfBridgeName(bridge.name);
  if (bridge?.address === undefined || vni === undefined) return { reason: 'its bridge br-vxlan-… does not exist' };
  const names = networkNames(vni);
  const vxlan = outer.find(({ kind, name }) => kind === 'vxlan' && name === names.vxlan);
  if (vxlan === undefined) return { reason: `its link ${names.vxlan} does not exist` };
  const inner = findPair(outer, inside, names.innerOuter);
  const [address, ...others] = inner === undefined ? [] : addressesOf(inside, inner.link.index);
  if (inner?.link.address === undefined || address === undefined || others.length > 0) {
    return { reason: `its pair ${names.innerOuter}, or the gateway's address on it, does not exist` };
  }
  const netblock = networkOfAddress(address);
  const gateway = address.split('/')[0] as string;
  if (gateway !== gatewayOf(netblock)) return { reason: `${address} is not the address of a gateway` };
  const egress = findPair(outer, inside, names.egressOuter);
  const [floatingGateway] = egress === undefined ? [] : addressesOf(inside, egress.link.index);
  if (egress !== undefined && floatingGateway === undefined) {
    return { reason: `its link ${names.egressInner} has no address` };
  }
  const { name, tenant } = factsOfAlias(inner.link.alias);
  const services = servicesOf(inside) ?? fallback.services;
  if (services === undefined) return { reason: `its table ${TABLE} does not exist, nor the files of its dnsmasq` };
  const { floating, skipped } = floatingOf(uuid, outer, inside);
  return {
    value: {
      record: {
        uuid,
        name: name === undefined ? `adopted-${uuid}` : String(name),
        tenant: tenant === undefined ? fallback.tenant : String(tenant),
        ...{ vni, netblock, gateway, mtu: bridge.mtu, ...services },
        vxlan: vxlan.index,
        bridge: { index: bridge.index, mac: bridge.address },
        inner: { ...inner.pair, mac: inner.link.address },
        ...(egress && { egress: { ...egress.pair, address: (floatingGateway as string).split('/')[0] as string } }),
        routed: Object.fromEntries(
          elementsOf(inside, TABLE, 'routed').map(({ key }) => [String(key), { state: 'created' }]),
        ),
        hasHostnameIndex: true,
        metadata: {},
        state: 'created',
      },
      defaults: [...(name === undefined ? ['name'] : []), ...(tenant === undefined ? ['tenant'] : [])],
      ...{ floating, skipped },
    },
  };
}

function gatewayOf(netblock: string): string | undefined {
  try {
    return parseNetblock('netblock', netblock).gateway;
  } catch {
    return undefined;
  }
}

/** Finds a veth pair by the name of its end on the host. The peer must be in the network's namespace. */
function findPair(outer: readonly Link[], inside: Reading, name: string): { pair: Pair; link: Link } | undefined {
  const end = outer.find((link) => link.kind === 'veth' && link.name === name);
  const link = inside.links.find(({ index, kind }) => kind === 'veth' && index === end?.link);
  if (end === undefined || link?.name !== name.replace(/o$/, 'i')) return undefined;
  return { pair: { outer: end.index, inner: link.index }, link };
}

/** The rules of the namespace, which differ by what the network provides. */
function servicesOf({ nft }: Reading): { provideDhcp: boolean; provideDns: boolean } | undefined {
  const input = nft.filter(
    ({ object, table, chain }) => object === 'rule' && table === 'vethwork' && chain === 'input',
  );
  if (input.length === 0) return undefined;
  const has = (comment: string) => input.some((rule) => rule.comment === comment);
  return { provideDhcp: has('DHCP'), provideDns: has('DNS over UDP') };
}

function floatingOf(
  uuid: string,
  outer: readonly Link[],
  inside: Reading,
): Pick<RebuiltNetwork, 'floating' | 'skipped'> {
  const targets = new Map(elementsOf(inside, TABLE, 'floating').map(({ key, data }) => [String(key), String(data)]));
  const floating: RebuiltNetwork['floating'] = [];
  const skipped: RebuiltNetwork['skipped'] = [];
  for (const { name, alias } of outer) {
    const address = addressOfFloatingName(name);
    if (address === undefined || networkOfAlias(alias) !== uuid) continue;
    const found = findPair(outer, inside, name);
    const target = targets.get(address);
    if (found === undefined) skipped.push({ name, reason: 'its peer in the namespace of the network does not exist' });
    else if (target === undefined) skipped.push({ name, reason: `${address} is not translated to any instance` });
    else floating.push({ address, pair: found.pair, target });
  }
  return { floating, skipped };
}
