import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FrameReader } from '../../../src/cluster/flow-frame.js';
import { FlowTable, streamFlows } from '../../../src/cluster/flow-stream.js';
import { type Flow, flowKey, readFlows, writeFlows } from '../../../src/cluster/flows.js';
import { type Kernel, openKernel } from '../../../src/kernel/index.js';
import type { DesiredFloatingIp, DesiredHost, DesiredNetwork } from '../../../src/plan/desired.js';
import { planFloatingIp } from '../../../src/plan/floating-ip.js';
import { planHost } from '../../../src/plan/host.js';
import { planNetwork } from '../../../src/plan/network.js';
import { FlowServer, FlowSet } from '../../support/flow-set.js';
import { eventually, privileged, TestNamespace } from '../../support/namespaces.js';
import * as fixtures from '../../unit/plan/fixtures.js';

const FLOATING = '192.168.15.29';
const OUTSIDE = '192.168.15.250';
const INSTANCES = ['172.16.0.37', '172.16.0.38'];
const COUNT = 40;
/** Indexes of links differ on both nodes. */
const SHIFT = 500;

/** A network node that serves the network. */
interface Router {
  machine: TestNamespace;
  /** Namespace of the network. */
  inside: TestNamespace;
}

/**
 * Two network nodes with the same network, which share the instances' side and the outside. Only the one in service is
 * connected to them. Their links have the same MACs and addresses.
 */
class Pair implements AsyncDisposable {
  readonly #namespaces: TestNamespace[] = [];
  readonly kernel: Kernel = openKernel();
  readonly routers: Router[] = [];
  readonly instances: TestNamespace[] = [];
  outside!: TestNamespace;

  async build(): Promise<void> {
    this.outside = await this.#bridge('outside');
    await this.outside.ip('address', 'add', `${OUTSIDE}/24`, 'dev', 'switch');
    const lan = await this.#bridge('lan');
    for (const [index, address] of INSTANCES.entries()) {
      const instance = await this.#namespace('instance');
      await this.#connect(lan, `port${index}`, instance, 'eth0');
      await instance.ip('address', 'add', `${address}/24`, 'dev', 'eth0');
      await instance.ip('route', 'add', 'default', 'via', '172.16.0.1');
      this.instances.push(instance);
    }
    for (const number of [0, 1]) this.routers.push(await this.#router(number, lan));
  }

  async #router(number: number, lan: TestNamespace): Promise<Router> {
    const machine = await this.#namespace('router');
    await machine.ip('link', 'add', 'eth0', 'index', '5000', 'type', 'veth', 'peer', 'name', 'eth1');
    const inside = TestNamespace.named(`${machine.name}-net`);
    this.#namespaces.push(inside);
    const shift = (one: number) => one + number * SHIFT;
    const host: DesiredHost = { ...fixtures.host, netns: machine.name };
    const network: DesiredNetwork = { ...fixtures.network, mtu: 1500, uuid: inside.name };
    const pair = { outer: shift(fixtures.floating.pair.outer), inner: shift(fixtures.floating.pair.inner) };
    const floating: DesiredFloatingIp = { ...fixtures.floating, pair };
    const plan = [
      ...planHost(host),
      ...planNetwork(host, { index: 5000, address: '10.99.0.1' }, network),
      ...planFloatingIp(host, network, floating),
    ];
    await this.kernel.transaction(plan);
    await this.#connect(this.outside, `router${number}`, machine, 'uplink', host.egressBridge.name);
    await this.#connect(lan, `router${number}`, machine, 'mesh', `br-vxlan-${network.vni.toString(16)}`);
    return { machine, inside };
  }

  /** Connects one router, and disconnects the other at once: its machine is lost. */
  async use(number: number): Promise<void> {
    for (const [index, { machine }] of this.routers.entries()) {
      if (index !== number) for (const port of ['uplink', 'mesh']) await machine.ip('link', 'set', port, 'down');
    }
    for (const port of ['uplink', 'mesh']) await (this.routers[number] as Router).machine.ip('link', 'set', port, 'up');
  }

  async #namespace(label: string): Promise<TestNamespace> {
    const namespace = await TestNamespace.create(label);
    this.#namespaces.push(namespace);
    return namespace;
  }

  async #bridge(label: string): Promise<TestNamespace> {
    const namespace = await this.#namespace(label);
    await namespace.ip('link', 'add', 'switch', 'type', 'bridge');
    await namespace.ip('link', 'set', 'switch', 'up');
    return namespace;
  }

  /** A veth pair; the first end is a port of `switch`, the second one of `master` or free. */
  async #connect(one: TestNamespace, port: string, other: TestNamespace, device: string, master?: string) {
    await one.ip('link', 'add', port, 'type', 'veth', 'peer', 'name', device, 'netns', other.name);
    await one.ip('link', 'set', port, 'master', 'switch', 'up');
    if (master === undefined) await other.ip('link', 'set', device, 'up');
    else await other.ip('link', 'set', device, 'master', master);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kernel.close();
    for (const namespace of this.#namespaces.reverse()) await namespace.remove();
  }
}

describe.skipIf(!privileged)('connections and a change of the router', () => {
  let pair: Pair;
  let servers: FlowServer[];

  beforeAll(async () => {
    pair = new Pair();
    await pair.build();
    await pair.use(0);
    const [one] = pair.instances as [TestNamespace];
    servers = [await FlowServer.open(one, 7000), await FlowServer.open(pair.outside, 7001)];
  });

  afterAll(async () => {
    for (const server of servers ?? []) await server[Symbol.asyncDispose]();
    await pair?.[Symbol.asyncDispose]();
  });

  /** Connections to the floating address, and of both instances through NAT, from the same ports. */
  async function openFlows(first: number) {
    const ports = { first, count: COUNT, patience: 3 };
    return [
      await FlowSet.open(pair.outside, [FLOATING, 7000], ports),
      ...(await Promise.all(pair.instances.map((each) => FlowSet.open(each, [OUTSIDE, 7001], ports)))),
    ];
  }

  /** Numbers of connections on which the far end is heard, and then answers. */
  async function survivors(sets: readonly FlowSet[], word: string): Promise<{ heard: number[]; answered: number[] }> {
    for (const server of servers) await server.send(`from-${word}`);
    const heard = await Promise.all(sets.map((set) => set.hear(`from-${word}`)));
    const answered = await Promise.all(sets.map((set) => set.ask(word)));
    return { heard, answered };
  }

  const all = [COUNT, COUNT, COUNT];

  it('most are lost where the next router does not know them, and none where it does', async () => {
    const [one, two] = pair.routers as [Router, Router];
    {
      const sets = await openFlows(20_000);
      expect(await survivors(sets, 'before')).toEqual({ heard: all, answered: all });
      await pair.use(1);
      const { answered } = await survivors(sets, 'without');
      const left = answered.reduce((sum, each) => sum + each, 0);
      expect(left).toBeLessThan(0.95 * 3 * COUNT);
      for (const set of sets) await set[Symbol.asyncDispose]();
    }
    await pair.use(0);
    const sets = await openFlows(30_000);
    expect(await survivors(sets, 'again')).toEqual({ heard: all, answered: all });

    // The standby collects what the router streams to it.
    const network = fixtures.uuid;
    const table = new FlowTable();
    const end = new AbortController();
    const stream = (async () => {
      const reader = new FrameReader();
      const options = { refresh: 60_000, collect: 20, signal: end.signal };
      for await (const bytes of streamFlows(pair.kernel, one.inside.name, network, options)) {
        for (const frame of reader.push(bytes)) table.apply(frame);
      }
    })();
    await eventually(() => table.flows(network).length >= 3 * COUNT, 5000);
    // These begin during the stream.
    sets.push(await FlowSet.open(pair.outside, [FLOATING, 7000], { first: 40_000, count: COUNT, patience: 3 }));
    await eventually(() => table.flows(network).length >= 4 * COUNT, 5000);
    end.abort();
    await stream;
    // Those of the first sets are ending.
    const isOpen = ({ original }: Flow) => (original.sourcePort ?? 0) >= 30_000;
    const keys = (flows: readonly Flow[]) => flows.filter(isOpen).map(flowKey).sort();
    expect(keys(table.flows(network))).toEqual(keys(await readFlows(pair.kernel, one.inside.name)));

    expect(await writeFlows(pair.kernel, two.inside.name, table.flows(network))).toEqual([]);
    await pair.use(1);
    const { heard, answered } = await survivors(sets, 'with');
    expect(heard).toEqual([...all, COUNT]);
    expect(answered).toEqual([...all, COUNT]);
    // Both instances use the same ports: half of the connections were given another one outside.
    const listed = await two.inside.run('conntrack', '-L', '-p', 'tcp', '--orig-dst', OUTSIDE);
    expect([...listed.matchAll(/sport=(3\d+) dport=7001 .* sport=7001 dport=(?!\1)/g)].length).toBeGreaterThanOrEqual(
      COUNT,
    );
    for (const set of sets) await set[Symbol.asyncDispose]();
  });
});
