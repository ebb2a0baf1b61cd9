import type { InterfaceCounters, NetworkCounters, Traffic } from '../api/observation.js';
import { ConflictError, KernelError } from '../errors.js';
import type { Context } from '../host/context.js';
import type { Kernel } from '../kernel/kernel.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import type { NftObject } from '../kernel/query.js';
import type { LinkStatistics } from '../kernel/statistics.js';
import { readMembers } from '../records/queries.js';
import type { InterfaceRecord, NetworkRecord } from '../records/records.js';

const nothing = (): Traffic => ({ packets: 0, bytes: 0, dropped: 0 });

type Statistics = ReadonlyMap<number, LinkStatistics>;

/** What an interface's instance sent, its link on the host has received. @throws ConflictError if it is on another node */
export async function interfaceCounters(
  { kernel, host, node: here }: Context,
  { uuid, node, attachment }: InterfaceRecord,
): Promise<InterfaceCounters> {
  if (node !== here) throw new ConflictError(`interface ${uuid} is on node ${node}: it is counted there`);
  return sum(await statistics(kernel, host.netns), [attachment.index]);
}

export async function networkCounters(context: Context, network: NetworkRecord): Promise<NetworkCounters> {
  const { kernel, host, node } = context;
  const [links, members] = await Promise.all([statistics(kernel, host.netns), readMembers(context, network.uuid)]);
  const here = members.filter((member) => member.node === node);
  const carried = {
    interfaces: sum(
      links,
      here.map(({ attachment }) => attachment.index),
    ),
    mesh: reversed(sum(links, [network.vxlan])),
  };
  if (host.role === 'hypervisor') return carried;
  const floating = members.flatMap((member) => (member.floating === undefined ? [] : [member.floating.pair.outer]));
  return {
    ...carried,
    // The ends on the host have received what the other ends, the namespace's, have sent.
    router: sum(links, [network.inner.outer]),
    ...(network.egress !== undefined && { egress: sum(links, [network.egress.outer]) }),
    floating: sum(links, floating),
    rules: await rulesThatCount(kernel, network.uuid),
  };
}

async function statistics(kernel: Kernel, netns: NamespaceRef | undefined): Promise<Statistics> {
  const links = await kernel.query('statistics.list', { netns });
  return new Map(links.map((link) => [link.index, link]));
}

/** Of links of the host, as those at their other ends see it. What is not there has counted nothing. */
function sum(links: Statistics, indexes: readonly number[]): InterfaceCounters {
  const total = { sent: nothing(), received: nothing() };
  for (const index of indexes) {
    const link = links.get(index);
    if (link === undefined) continue;
    add(total.sent, link.receivedPackets, link.receivedBytes, link.receiveDrops + link.receiveErrors);
    add(total.received, link.sentPackets, link.sentBytes, link.sendDrops + link.sendErrors);
  }
  return total;
}

function add(total: Traffic, packets: number, bytes: number, dropped: number): void {
  total.packets += packets;
  total.bytes += bytes;
  total.dropped += dropped;
}

const reversed = ({ sent, received }: InterfaceCounters): InterfaceCounters => ({ sent: received, received: sent });

/** By chain and comment. Nothing where the namespace is gone. */
async function rulesThatCount(kernel: Kernel, netns: NamespaceRef): Promise<NonNullable<NetworkCounters['rules']>> {
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
