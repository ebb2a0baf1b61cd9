import type { ConnectionTuple, NewConnection, TcpState } from '../kernel/connection.js';
import type { Connection, ConntrackFilter, Kernel } from '../kernel/index.js';
import type { NamespaceRef } from '../kernel/namespace.js';

/**
 * A flow: a tracked IPv4 connection that another network node can continue, with its translation (NAT). It has nothing of
 * one node: no mark, no index.
 */
export type Flow = Pick<NewConnection, 'original' | 'reply' | 'timeout' | 'tcp'> & {
  /** The kernel has seen a reply; and enough packets to keep the connection when the table is full. */
  replied: boolean;
  assured: boolean;
};

/** IP_CT_TCP_FLAG_BE_LIBERAL: packets outside of the window are valid. The other node does not know the window. */
const LIBERAL = 8;

/** Connections in these states end within seconds, or have no reply yet: their next packet begins them again. */
const PASSING: ReadonlySet<TcpState> = new Set(['none', 'synSent', 'synSent2', 'timeWait', 'close']);

/** Key of a flow: its first packet. */
export const flowKey = ({ original }: Pick<Flow, 'original'>): string => tupleText(original);

function tupleText({ protocol, source, destination, ...rest }: ConnectionTuple): string {
  const { sourcePort = rest.icmpId, destinationPort = rest.icmpType } = rest;
  return `${protocol} ${source} ${sourcePort} ${destination} ${destinationPort}`;
}

/** Returns the flow of a connection; undefined for one that another node need not know. */
export function flowOf({ family, original, reply, status, timeout, tcp }: Connection): Flow | undefined {
  const isPassing = tcp !== undefined && PASSING.has(tcp.state);
  if (family !== 'ip' || timeout === undefined || !status.includes('replied') || isPassing) return undefined;
  if (original.protocol === 'tcp' && tcp === undefined) return undefined;
  const flow = { original, reply, timeout, replied: true, assured: status.includes('assured') };
  return tcp === undefined ? flow : { ...flow, tcp };
}

/** Reads the flows of a namespace. @param filter of the connections; all by default */
export async function readFlows(kernel: Kernel, netns: NamespaceRef, filter?: ConntrackFilter): Promise<Flow[]> {
  const listed = await kernel.query('conntrack.list', { netns, ...(filter !== undefined && { filter }) });
  return listed.flatMap((connection) => flowOf(connection) ?? []);
}

/** Flows in one operation. */
const BATCH = 1000;

/**
 * Writes flows into a namespace, instead of connections that have a tuple of them: a packet may have arrived before.
 * @returns errors; the other flows are written
 */
export async function writeFlows(kernel: Kernel, netns: NamespaceRef, flows: readonly Flow[]) {
  const connections = flows.map(toConnection);
  const batches = Array.from({ length: Math.ceil(connections.length / BATCH) }, (_, index) =>
    connections.slice(index * BATCH, (index + 1) * BATCH),
  );
  return kernel.teardown(batches.map((some) => ({ op: 'conntrack.add', netns, connections: some, mode: 'replace' })));
}

function toConnection({ original, reply, timeout, tcp, replied, assured }: Flow): NewConnection {
  const { originalFlags = 0, replyFlags = 0 } = tcp ?? {};
  return {
    original,
    reply,
    timeout,
    status: [...(replied ? (['replied'] as const) : []), ...(assured ? (['assured'] as const) : [])],
    ...(tcp !== undefined && {
      tcp: { ...tcp, originalFlags: originalFlags | LIBERAL, replyFlags: replyFlags | LIBERAL },
    }),
  };
}
