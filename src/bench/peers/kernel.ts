import { type Kernel, match, nftTable, type Operation, openKernel, statement } from '../../kernel/index.js';
import { bringUp } from '../../plan/link.js';
import type { Contender, NetworkSpec, Peer } from '../contender.js';
import { EGRESS_BRIDGE, FLOATING_GATEWAY, LAN, type Slot, uplink } from '../stage.js';
import { linkNames } from './names.js';

/** A device group that only this contender uses. */
const GROUP = 0x62656e63;
/**
 * Minimum number of links for which `detach` deletes them at once. Taking one link out of service takes 1 to 2 ms;
 * deleting any number of links together takes about 20 ms.
 */
const MIN_BULK_DELETE = 16;
/** With more than one queue, the kernel would reduce their number and wait for two RCU grace periods per pair. */
const QUEUES = { txQueues: 1, rxQueues: 1 } as const;
/** Disables the IPv6 link-local address, as vethwork does. */
const NO_IPV6 = { inet6: { addressGeneration: 'none' } } as const;
/** First interface index. It is below the range that vethwork uses. */
const FIRST_INDEX = 0x30000000;

/** vethwork's kernel layer: each operation is one transaction. */
export const kernelLayer: Peer = {
  name: 'kernel',
  title: 'vethwork/kernel',
  description: "vethwork's kernel layer: one transaction per operation, with checks and roll-back; no records",
  inProcess: true,
  longRunning: true,
  maxInterfaces: 1000,
  missing: async () => undefined,
  open: async () => KernelContender.open(),
};

class KernelContender implements Contender {
  readonly lan = LAN;
  readonly #indexes = new Map<string, { outer: number; inner: number }>();
  readonly #networks = new Map<string, number[]>();
  #next = FIRST_INDEX;

  private constructor(
    private readonly kernel: Kernel,
    private readonly links: ReadonlyMap<string, number>,
  ) {}

  static async open(): Promise<KernelContender> {
    const kernel = openKernel();
    const links = await kernel.query('link.list');
    return new KernelContender(kernel, new Map(links.map(({ name, index }) => [name, index])));
  }

  cpu(): number {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  }

  async attach(slots: readonly Slot[]): Promise<undefined> {
    await Promise.all(slots.map((slot) => this.kernel.transaction(this.#attach(slot))));
  }

  async attachTaps(slots: readonly Slot[]): Promise<undefined> {
    await Promise.all(
      slots.map(({ device }) => {
        const index = this.#take(device).outer;
        return this.kernel.transaction([
          { op: 'tap.add', tap: { name: device, index } },
          ...bringUp(undefined, index, { master: this.#link(LAN.bridge), ...NO_IPV6 }),
        ]);
      }),
    );
  }

  async detach(slots: readonly Slot[]): Promise<undefined> {
    if (slots.length >= MIN_BULK_DELETE) {
      const links = slots.map(({ device }) => this.#indexes.get(device)?.outer ?? 0);
      const errors = await this.kernel.teardown([...links.map(markForDeletion), DELETE_GROUP]);
      if (errors.length > 0) throw new AggregateError(errors, 'detach');
      return;
    }
    await Promise.all(
      slots.map(async ({ netns, device }) => {
        const { outer, inner } = this.#indexes.get(device) ?? { outer: 0, inner: 0 };
        const errors = await this.kernel.teardown([
          ...takeOutOfService(netns, inner),
          ...takeOutOfService(undefined, outer),
        ]);
        if (errors.length > 0) throw new AggregateError(errors, `detach ${device}`);
      }),
    );
  }

  async drain(): Promise<undefined> {
    await this.kernel.teardown([DELETE_GROUP]);
  }

  async createNetwork(spec: NetworkSpec): Promise<undefined> {
    if (spec.dhcp) throw new Error('the kernel layer does not run dnsmasq');
    await this.kernel.transaction(this.#network(spec));
  }

  async deleteNetwork({ uuid }: NetworkSpec): Promise<undefined> {
    const links = this.#networks.get(uuid) ?? [];
    const errors = await this.kernel.teardown([
      ...links.map(markForDeletion),
      { op: 'namespace.delete', name: uuid },
      DELETE_GROUP,
    ]);
    if (errors.length > 0) throw new AggregateError(errors, 'delete network');
  }

  close(): Promise<void> {
    return this.kernel.close();
  }

  #link(name: string): number {
    const index = this.links.get(name);
    if (index === undefined) throw new Error(`no link ${name}`);
    return index;
  }

  #take(device: string): { outer: number; inner: number } {
    const pair = { outer: this.#next++, inner: this.#next++ };
    this.#indexes.set(device, pair);
    return pair;
  }

  #attach({ netns, device, address }: Slot): Operation[] {
    const { outer, inner } = this.#take(device);
    return [
      {
        op: 'link.add',
        link: {
          kind: 'veth',
          name: device,
          index: outer,
          master: this.#link(LAN.bridge),
          ...QUEUES,
          data: { peer: { name: 'eth0', index: inner, netns, ...QUEUES } },
        },
      },
      ...bringUp(undefined, outer, NO_IPV6),
      { op: 'link.set', netns, link: { index: 1 }, changes: { up: true } },
      ...bringUp(netns, inner, NO_IPV6),
      { op: 'address.add', netns, address: { index: inner, address: `${address}/${LAN.prefix}` } },
      { op: 'route.add', netns, route: { destination: 'default', gateway: LAN.gateway, index: inner } },
    ];
  }

  #network(spec: NetworkSpec): Operation[] {
    const { uuid: netns, vni, netblock, gatewayCidr, egressCidr } = spec;
    const names = linkNames(spec);
    const index = () => this.#next++;
    const [bridge, vxlan, vethOuter, vethInner, egressOuter, egressInner] = [
      index(),
      index(),
      index(),
      index(),
      index(),
      index(),
    ];
    this.#networks.set(netns, [vethOuter, egressOuter, vxlan, bridge]);
    const pair = (name: string, outer: number, master: number, peer: string, inner: number): Operation => ({
      op: 'link.add',
      link: {
        ...{ kind: 'veth', name, index: outer, master, up: true, ...QUEUES },
        data: { peer: { name: peer, index: inner, netns, ...QUEUES } },
      },
    });
    const table = nftTable('ip', 'nat');
    return [
      { op: 'namespace.add', name: netns },
      {
        op: 'link.add',
        link: { kind: 'bridge', name: names.bridge, index: bridge, up: true, data: { forwardDelay: 0 } },
      },
      {
        op: 'link.add',
        link: {
          kind: 'vxlan',
          name: names.vxlan,
          index: vxlan,
          master: bridge,
          up: true,
          data: { id: vni, link: this.#link(uplink.nic), port: 4789 },
        },
      },
      pair(names.vethOuter, vethOuter, bridge, names.vethInner, vethInner),
      pair(names.egressOuter, egressOuter, this.#link(EGRESS_BRIDGE), names.egressInner, egressInner),
      { op: 'sysctl.set', netns, key: 'ipv4/ip_forward', value: 1 },
      { op: 'link.set', netns, link: { index: 1 }, changes: { up: true } },
      { op: 'link.set', netns, link: { index: vethInner }, changes: { up: true } },
      { op: 'address.add', netns, address: { index: vethInner, address: gatewayCidr } },
      { op: 'link.set', netns, link: { index: egressInner }, changes: { up: true } },
      { op: 'address.add', netns, address: { index: egressInner, address: egressCidr } },
      { op: 'route.add', netns, route: { destination: 'default', gateway: FLOATING_GATEWAY, index: egressInner } },
      {
        op: 'nftables.batch',
        netns,
        commands: [
          table.add(),
          ...table.chain(
            'postrouting',
            { type: 'nat', hook: 'postrouting', priority: 100 },
            {
              nat: [match.sourceAddress(netblock), match.outputInterface(names.egressInner), statement.masquerade()],
            },
          ),
        ],
      },
    ];
  }
}

const DELETE_GROUP: Operation = { op: 'link.delete', link: { group: GROUP } };

function markForDeletion(index: number): Operation {
  return { op: 'link.set', link: { index }, changes: { group: GROUP } };
}

function takeOutOfService(netns: string | undefined, index: number): Operation[] {
  const link = { index };
  return [
    { op: 'link.set', netns, link, changes: { up: false, master: 0, group: GROUP } },
    { op: 'link.set', netns, link, changes: { name: `dead${index.toString(16)}` } },
  ];
}
