import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host, Network } from '../../../src/index.js';
import { networkNames } from '../../../src/plan/names.js';
import { TestBird } from '../../support/bird.js';
import { type ClusterGuest, TestCluster } from '../../support/cluster.js';
import { compile } from '../../support/compile.js';
import { askForLease } from '../../support/dhcp.js';
import { pings } from '../../support/host.js';
import { IsolatedNode } from '../../support/isolated-node.js';
import { hasLink, rejection } from '../../support/kernel.js';
import { eventually, privileged } from '../../support/namespaces.js';
import { RunningPing } from '../../support/ping-loss.js';

const NETWORK_NODE = { role: 'network', egressNic: 'eth0', floatingNetwork: '192.168.15.0/24' } as const;
/** Answers of each ping before and after a move. */
const ANSWERS = 50;

describe.skipIf(!privileged)('a network that moves to another network node', () => {
  let cluster: TestCluster;
  let compiled: Awaited<ReturnType<typeof compile>>;
  let client: Host;
  let network: Network;
  let guest: ClusterGuest;
  let floating: string;
  const nodes: IsolatedNode[] = [];
  const daemons: TestBird[] = [];
  const options = (number: number) => ({ ...cluster.options(number), ...NETWORK_NODE });
  const conflict = (text: string) => ({ name: 'ConflictError', message: expect.stringContaining(text) });

  beforeAll(async () => {
    compiled = await compile('test/e2e/cluster/isolated-node-child.ts');
    cluster = await TestCluster.create({ nodes: 3, options: { leaseTime: 2000 } });
    await cluster.world.ip('route', 'delete', '192.168.15.0/24');
    const { folder, world } = cluster;
    daemons.push(await TestBird.upstream(world, folder, '10.0.0.1', [cluster.vtep(1), cluster.vtep(2)]));
    for (const number of [1, 2]) {
      const node = await IsolatedNode.create(compiled.script, [cluster.node(number).name]);
      nodes.push(node);
      daemons.push(await TestBird.node(cluster.node(number), folder, cluster.vtep(number), '10.0.0.1'));
      await node.start(options(number));
    }
    client = await cluster.open(3);
    network = await client.createNetwork({
      name: 'demo',
      netblock: '172.16.0.0/24',
      router: 'node1',
      provideDns: true,
    });
    guest = await cluster.client(client, network.uuid);
    floating = await (await client.getInterface(guest.uuid)).float();
    await eventually(isAnnounced);
  });

  afterAll(async () => {
    await cluster.deleteNetworks();
    for (const node of nodes) await node[Symbol.asyncDispose]();
    for (const daemon of daemons) await daemon[Symbol.asyncDispose]();
    await cluster[Symbol.asyncDispose]();
    await rm(compiled.folder, { recursive: true, force: true });
  });

  /** True if the router outside has learnt the address, and the instance answers there. */
  async function isAnnounced(): Promise<boolean> {
    const { exitCode } = await cluster.world.attempt('ping', '-n', '-c', '1', floating);
    return exitCode === 0;
  }

  /** Which nodes have the links, the namespace and the dnsmasq of the network. */
  async function placeOf() {
    const { innerOuter, egressOuter } = networkNames(network.info.vni);
    const places: Record<string, string[]> = {};
    for (const [index, node] of nodes.entries()) {
      const parts: string[] = [];
      for (const link of [innerOuter, egressOuter, `flt-${hexOf(floating)}-o`]) {
        if (await hasLink(cluster.node(index + 1), link)) parts.push(link);
      }
      if ((await node.attempt('ip', 'netns', 'list')).stdout.includes(network.uuid)) {
        parts.push('namespace');
        const { stdout } = await node.attempt('ip', 'netns', 'pids', network.uuid);
        if (stdout.trim() !== '') parts.push('dnsmasq');
      }
      places[`node${index + 1}`] = parts;
    }
    return places;
  }

  /** Runs pings from the instance to its gateway and to the outside, and from outside, during some work. */
  async function duringPings(work: () => Promise<unknown>) {
    const running = {
      gateway: new RunningPing(guest.namespace, '172.16.0.1'),
      outside: new RunningPing(guest.namespace, '10.0.0.1'),
      inbound: new RunningPing(cluster.world, floating),
    };
    const all = Object.values(running);
    const moreAnswers = async () => {
      const before = all.map(({ answers }) => answers);
      await eventually(() => all.every(({ answers }, index) => answers >= (before[index] ?? 0) + ANSWERS));
    };
    await moreAnswers();
    await work();
    await moreAnswers();
    const { gateway, outside, inbound } = running;
    return { gateway: await gateway.end(), outside: await outside.end(), inbound: await inbound.end() };
  }

  /** Each ping went on. How long a move may take is not a property of this machine (docs/cluster.md has measurements). */
  function expectShort(losses: Awaited<ReturnType<typeof duringPings>>): void {
    for (const { sent, lost } of Object.values(losses)) {
      expect(sent).toBeGreaterThan(2 * ANSWERS);
      expect(lost).toBeLessThanOrEqual(sent - 2 * ANSWERS);
    }
  }

  async function expectOnlyOn(name: string) {
    const { innerOuter, egressOuter } = networkNames(network.info.vni);
    const whole = [innerOuter, egressOuter, `flt-${hexOf(floating)}-o`, 'namespace', 'dnsmasq'];
    expect(await placeOf()).toEqual({ node1: [], node2: [], [name]: whole });
    expect((await network.refresh()).router).toBe(name);
    expect(new Set((await client.listFloatingAddresses()).map(({ node }) => node))).toEqual(new Set([name]));
  }

  test('keeps its addresses, with a short interruption', async () => {
    await expectOnlyOn('node1');
    const macs = async (node: number) =>
      JSON.parse((await (nodes[node - 1] as IsolatedNode).attempt('ip', '-n', network.uuid, '-j', 'link')).stdout)
        .map(({ address, ifname }: { address: string; ifname: string }) => `${ifname} ${address}`)
        .sort();
    const before = await macs(1);
    const losses = await duringPings(() => network.move({ to: 'node2' }));
    expectShort(losses);
    await expectOnlyOn('node2');
    expect(await macs(2)).toEqual(before);
    // Positive control of the count: nothing answers for a free address.
    const dead = new RunningPing(guest.namespace, '172.16.0.250', 200);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const { sent, lost } = await dead.end();
    expect(lost).toBe(sent - 2);
    expect((await askForLease(guest.namespace, 'eth0'))?.ip).toBe(guest.address);
  });

  test('returns when the node is drained', async () => {
    const other = await client.createNetwork({
      name: 'isolated',
      netblock: '172.17.0.0/24',
      provideNat: false,
      router: 'node2',
    });
    let moved: unknown;
    const losses = await duringPings(async () => {
      moved = await client.drainNode('node2');
    });
    expectShort(losses);
    expect(moved).toEqual(
      expect.arrayContaining([
        { network: network.uuid, name: 'demo', from: 'node2', to: 'node1' },
        { network: other.uuid, name: 'isolated', from: 'node2', to: 'node1' },
      ]),
    );
    await expectOnlyOn('node1');
    expect(await client.drainNode('node2')).toEqual([]);
    expect(await rejection(network.move({ to: 'node2' }))).toMatchObject(conflict('cordoned'));
    expect(await rejection(client.drainNode('node1'))).toMatchObject(conflict('2 of 2 networks'));
    await expectOnlyOn('node1');
    for (const name of ['node1', 'node2']) await client.uncordonNode(name);
    await other.delete();
    expect(await client.reconcile({ dryRun: true })).toEqual([]);
  });

  test('moves by force from a node that is gone, which gives it up when it returns', async () => {
    await (nodes[0] as IsolatedNode).stop('SIGKILL');
    const state = async () => (await client.refresh()).nodes?.find(({ name }) => name === 'node1')?.state;
    await eventually(async () => (await state()) === 'gone');
    // Networks go on without the agent.
    expect(await pings(guest.namespace, '10.0.0.1')).toBe(true);
    expect(await rejection(network.move({ to: 'node2' }))).toMatchObject(conflict('confirm that its machine is off'));
    expect(await rejection(client.removeNode('node1'))).toMatchObject(conflict('1 networks are on node node1'));
    // Its machine is off.
    await cluster.fabric.ip('link', 'set', 'n1', 'down');
    expect(await pings(guest.namespace, '10.0.0.1', '-W', '1')).toBe(false);
    await network.move({ to: 'node2', force: true });
    expect(await pings(guest.namespace, '172.16.0.1')).toBe(true);
    await eventually(isAnnounced);
    expect(await pings(guest.namespace, '10.0.0.1')).toBe(true);

    await cluster.fabric.ip('link', 'set', 'n1', 'up');
    await (nodes[0] as IsolatedNode).start(options(1));
    await eventually(async () => (await placeOf()).node1?.length === 0);
    await expectOnlyOn('node2');
    await eventually(isAnnounced);
    expect(await pings(guest.namespace, '10.0.0.1')).toBe(true);
  });
});

const hexOf = (address: string) =>
  address
    .split('.')
    .map((part) => Number(part).toString(16).padStart(2, '0'))
    .join('');
