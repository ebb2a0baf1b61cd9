import type { InterfaceCounters, NetworkCounters, Traffic } from '../api/types.js';
import { isActiveRouter } from '../desired/local-node.js';
import { ConflictError, KernelError } from '../errors.js';
import type { Context } from '../host/context.js';
import { isLinkMissing } from '../host/detect.js';
import type { Kernel } from '../kernel/kernel.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import type { NftObject } from '../kernel/query.js';
import type { LinkStatistics } from '../kernel/statistics.js';
import { readMembers } from '../records/queries.js';
import type { InterfaceRecord, NetworkRecord } from '../records/records.js';

const zero = (): Traffic => ({ packets: 0, bytes: 0, dropped: 0 });

type Statistics = ReadonlyMap<number, LinkStatistics>;

/**
 * Returns the counters of an interface. Sent by the instance is received by the link.
 * @throws ConflictError if it is on another node
 */
export async function interfaceCounters(
  { kernel, host, node: here }: Context,
  { uuid, node, attachment, slot, carried }: InterfaceRecord,
): Promise<InterfaceCounters> {
  if (node !== here) throw new ConflictError(`interface ${uuid} is on node ${node}: read its counters there`);
  const { index } = attachment;
  const total = sum(await linkStatistics(kernel, host.netns, index), [index]);
  if (carried !== undefined) include(total, carried);
  const { counted } = slot ?? {};
  if (counted === undefined || slot?.isReleasing) return total;
  return { sent: difference(total.sent, counted.sent), received: difference(total.received, counted.received) };
}

/** A link that was created again since counts from 0. */
function difference(now: Traffic, before: Traffic): Traffic {
  if (now.packets < before.packets) return now;
  return {
    packets: now.packets - before.packets,
    bytes: now.bytes - before.bytes,
    dropped: now.dropped - before.dropped,
  };
}

/** Reads the counters of one link. Empty if it does not exist. */
async function linkStatistics(kernel: Kernel, netns: NamespaceRef | undefined, index: number): Promise<Statistics> {
  try {
    return new Map([[index, await kernel.query('statistics.get', { netns, index })]]);
  } catch (error) {
    if (isLinkMissing(error)) return new Map();
    throw error;
  }
}

/** Returns the counters of a network on this node. */
export async function networkCounters(context: Context, network: NetworkRecord): Promise<NetworkCounters> {
  const { kernel, host, node, localNode, locks } = context;
  await locks.turn(network.uuid);
  const [links, members] = await Promise.all([statistics(kernel, host.netns), readMembers(context, network.uuid)]);
  const here = members.filter((member) => member.node === node);
  const carried = {
    interfaces: sum(
      links,
      here.map(({ attachment }) => attachment.index),
    ),
    mesh: reversed(sum(links, [network.vxlan])),
  };
  if (!isActiveRouter(localNode, network)) return carried;
  const floating = members.flatMap((member) => (member.floating === undefined ? [] : [member.floating.pair.outer]));
  return {
    ...carried,
    // Received by the end of a pair on the host is sent by the end in the namespace.
    router: sum(links, [network.inner.outer]),
    ...(network.egress !== undefined && { egress: sum(links, [network.egress.outer]) }),
    floating: sum(links, floating),
    rules: await ruleCounters(kernel, network.uuid),
  };
}

async function statistics(kernel: Kernel, netns: NamespaceRef | undefined): Promise<Statistics> {
  const links = await kernel.query('statistics.list', { netns });
  return new Map(links.map((link) => [link.index, link]));
}

/**
 * Sums the counters of links of the host, from the point of view of their other ends. A link that does not exist counts
 * as 0.
 */
function sum(links: Statistics, indexes: readonly number[]): InterfaceCounters {
  const total = { sent: zero(), received: zero() };
  for (const index of indexes) {
    const link = links.get(index);
    if (link === undefined) continue;
    add(total.sent, link.receivedPackets, link.receivedBytes, link.receiveDrops + link.receiveErrors);
    add(total.received, link.sentPackets, link.sentBytes, link.sendDrops + link.sendErrors);
  }
  return total;
}

/** Returns the sum of counters. */
export function sumOf(...counters: readonly InterfaceCounters[]): InterfaceCounters {
  const total = { sent: zero(), received: zero() };
  for (const each of counters) include(total, each);
  return total;
}

function include(total: InterfaceCounters, { sent, received }: InterfaceCounters): void {
  add(total.sent, sent.packets, sent.bytes, sent.dropped);
  add(total.received, received.packets, received.bytes, received.dropped);
}

function add(total: Traffic, packets: number, bytes: number, dropped: number): void {
  total.packets += packets;
  total.bytes += bytes;
  total.dropped += dropped;
}

const reversed = ({ sent, received }: InterfaceCounters): InterfaceCounters => ({ sent: received, received: sent });

/** Returns the counters of the rules of a network, by `<chain>: <comment>`. Empty if the namespace does not exist. */
async function ruleCounters(kernel: Kernel, netns: NamespaceRef): Promise<NonNullable<NetworkCounters['rules']>> {
  let objects: NftObject[];
  try {
    objects = await kernel.query('nftables.list', { netns, family: 'ip', table: 'vethwork', elements: false });
  } catch (error) {
    if (error instanceof KernelError) return {};
    throw error;
  }
  const counted = objects.flatMap(({ object, chain, comment, expressions }) => {
    const counter =
      object === 'rule' && Array.isArray(expressions)
        ? expressions.find(({ expression }) => expression === 'counter')
        : undefined;
    if (counter === undefined || typeof comment !== 'string') return [];
    return [[`${chain}: ${comment}`, { packets: Number(counter.packets ?? 0), bytes: Number(counter.bytes ?? 0) }]];
  });
  return Object.fromEntries(counted);
}
