import { nftKey as key, match, type NftCommand, nftTable, statement } from '../kernel/nftables/index.js';
import type { Operation } from '../kernel/operation.js';
import type { DesiredHost } from './desired.js';
import { EGRESS_PORTS } from './group.js';

/*
 * The fence of a network node that has a successor (`nft list table bridge vethwork_fence`). Networks send and receive on
 * the egress bridge only while two sets have an element with a timeout. The kernel removes it by its own clock, also if every
 * process of the node is stopped; then no address is answered any more, ARP included. The kernel's clock stops while a
 * machine is suspended. Without a successor there is no fence: a fault of the control plane must not cut the data plane.
 * If another program deletes the table, everything passes until it is repaired.
 */

const table = nftTable('bridge', 'vethwork_fence');

/** Elements have a timeout each. The sets are dynamic, so that a repair of the table grants no lease. */
const DURING_LEASE = { dynamic: true, timeout: 0, size: 16 } as const;
/** During a lease, the device group of the ports of the egress bridge. */
const PORTS = { keyType: 'devgroup' } as const;
/** During a lease, the MAC of the egress bridge, from which the host sends. */
const HOSTS = { keyType: 'ether_addr' } as const;

/** After the guard: its packets are counted there. */
const PRIORITY = -290;

const { counter, drop } = statement;
const type = 'filter' as const;

/** Plans the fence, closed. */
export function planFence({ netns, egressBridge, floatingNetwork }: DesiredHost): Operation {
  const fromHost = [match.bytes('link', 6, ...macBytes(egressBridge.mac)), key.isNotIn('hosts', key.etherSource)];
  const refuse = [counter(), drop()];
  return {
    op: 'nftables.batch',
    netns,
    commands: [
      table.add(),
      table.set('ports', { ...PORTS, ...DURING_LEASE }),
      table.set('hosts', { ...HOSTS, ...DURING_LEASE }),
      ...table.chain(
        'prerouting',
        { type, hook: 'prerouting', priority: PRIORITY },
        {
          'networks send only during a lease': [
            match.inputGroup(EGRESS_PORTS),
            key.isNotIn('ports', key.inputGroup),
            ...refuse,
          ],
        },
      ),
      ...table.chain(
        'output',
        { type, hook: 'output', priority: PRIORITY },
        {
          // The host answers for routed addresses. Its own traffic passes.
          'so does the host, as an address of the floating network': [
            ...fromHost,
            match.etherType('arp'),
            match.arpSender(floatingNetwork),
            ...refuse,
          ],
          'and over IPv4': [...fromHost, match.etherType('ip'), match.sourceAddress(floatingNetwork), ...refuse],
        },
      ),
      ...table.chain(
        'postrouting',
        { type, hook: 'postrouting', priority: PRIORITY },
        {
          'networks receive only during a lease': [
            match.outputGroup(EGRESS_PORTS),
            key.isNotIn('ports', key.outputGroup),
            ...refuse,
          ],
        },
      ),
    ],
  };
}

export const fenceRemoval = ({ netns }: DesiredHost): Operation => ({
  op: 'nftables.batch',
  netns,
  commands: [table.delete()],
});

/**
 * Plans a lease, from now on. One batch, so that no packet sees the fence closed. The element may exist, may have expired,
 * or may be absent: it is added before it is deleted, because the timeout of an existing element does not change before
 * Linux 6.12.
 * @param timeout in milliseconds, at least 1
 */
export function renewFence({ netns, egressBridge }: DesiredHost, timeout: number): Operation {
  const both = [
    { set: 'ports', types: PORTS, element: { key: EGRESS_PORTS } },
    { set: 'hosts', types: HOSTS, element: { key: egressBridge.mac } },
  ];
  const commands = both.flatMap(({ set, types, element }): NftCommand[] => {
    const add = table.addElements(set, types, [{ ...element, timeout }]);
    const shared = { ...add, exclusive: false } as NftCommand;
    return [shared, table.deleteElements(set, types, [element]), shared];
  });
  return { op: 'nftables.batch', netns, commands };
}

const macBytes = (mac: string): number[] => mac.split(':').map((byte) => Number.parseInt(byte, 16));
