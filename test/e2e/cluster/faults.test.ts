import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host, Network } from '../../../src/index.js';
import { type ClusterGuest, TestCluster } from '../../support/cluster.js';
import { pings } from '../../support/host.js';
import { rejection } from '../../support/kernel.js';
import { meshFindings } from '../../support/mesh.js';
import { eventually, json, privileged } from '../../support/namespaces.js';

const program = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
const PATIENCE = 90_000;

describe.skipIf(!privileged)('faults in a cluster', () => {
  let cluster: TestCluster;
  let hosts: Host[];
  let network: Network;
  let agent: ChildProcess | undefined;
  const log: string[] = [];
  const guests: ClusterGuest[] = [];
  const host = (number: number) => hosts[number - 1] as Host;
  const guest = (number: number) => guests[number - 1] as ClusterGuest;

  beforeAll(async () => {
    cluster = await TestCluster.create({ nodes: 3, options: { leaseTime: 3000 } });
    // node3 has a separate agent; this process is a client.
    hosts = [await cluster.open(1), await cluster.open(2)];
    await startAgent();
    hosts.push(await cluster.open(3, { agent: false }));
    network = await host(3).createNetwork({ name: 'demo', netblock: '172.16.0.0/24' });
    for (const number of [1, 2, 3]) guests.push(await cluster.guest(host(number), network.uuid));
  });

  afterAll(async () => {
    await stopAgent('SIGTERM');
    await cluster[Symbol.asyncDispose]();
  });

  async function startAgent(): Promise<void> {
    const file = join(cluster.folder, 'agent.json');
    const listen = join(cluster.folder, 'agent.sock');
    await writeFile(file, JSON.stringify({ ...cluster.options(3), listen, logLevel: 'debug' }));
    agent = spawn(process.execPath, [program, 'agent', '--config', file], { stdio: ['ignore', 'pipe', 'inherit'] });
    agent.stdout?.on('data', (text: Buffer) => log.push(...text.toString().split('\n').filter(Boolean)));
    await eventually(async () => (await ask('/healthz')).includes('"active":true'), PATIENCE);
  }

  async function stopAgent(signal: NodeJS.Signals): Promise<number | null> {
    const running = agent;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return null;
    const ended = once(running, 'close');
    running.kill(signal);
    const [code] = (await ended) as [number | null];
    return code;
  }

  function ask(path: string): Promise<string> {
    return new Promise((resolve) => {
      const asked = request({ socketPath: join(cluster.folder, 'agent.sock'), path }, async (response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of response) chunks.push(chunk as Buffer);
        resolve(Buffer.concat(chunks).toString());
      });
      asked.on('error', () => resolve(''));
      asked.end();
    });
  }

  const state = async (name: string) => (await host(1).refresh()).nodes?.find((node) => node.name === name)?.state;

  test('an agent applies changes of its node, logs them, and serves metrics', async () => {
    for (const from of guests) for (const to of guests) expect(await pings(from.namespace, to.address)).toBe(true);
    const lines = log.map((line) => JSON.parse(line) as { level: string; msg: string; node: string });
    expect(lines.every(({ node }) => node === 'node3')).toBe(true);
    expect(lines.map(({ msg }) => msg)).toContain('network reconciled');
    const on3 = await (await network_(3)).prepare({ kind: 'tap', min: 1, max: 1 });
    const on1 = await (await network_(1)).prepare({ kind: 'tap', min: 1, max: 1 });
    const metrics = (await eventually(async () => {
      const text = await ask('/metrics');
      return text.includes(on3.uuid) && text;
    })) as string;
    expect(metrics).toMatch(new RegExp(`^vethwork_pool_free_slots\\{pool="${on3.uuid}",.*node="node3"\\} 1$`, 'm'));
    // Each agent exports the pools of its node.
    expect(metrics).not.toContain(on1.uuid);
    for (const pool of [on3, on1]) await pool.delete();
    for (const line of [
      'vethwork_agent_active 1',
      'vethwork_store_reachable 1',
      'vethwork_networks 1',
      'vethwork_members 3',
    ]) {
      expect(metrics).toContain(`\n${line}\n`);
    }
  });

  test('a node whose agent was killed in the middle of a change stays in the mesh, and recovers with a new agent', async () => {
    const attached = Array.from({ length: 8 }, (_, index) =>
      network_(3).then((each) => each.attach({ tap: `k${index}` })),
    );
    const outcomes = Promise.allSettled(attached);
    await eventually(() => log.some((line) => line.includes('network reconciled')), PATIENCE);
    await stopAgent('SIGKILL');
    await eventually(async () => (await state('node3')) === 'gone', PATIENCE);
    // Another change makes the agents compare again.
    await (await (await network_(1)).attach({ tap: 'later' })).detach();
    for (const number of [1, 2]) expect(await cluster.flood(number, network.info.vni)).toContain(cluster.vtep(3));
    for (const from of guests) for (const to of guests) expect(await pings(from.namespace, to.address)).toBe(true);
    expect(await meshFindings(cluster, host(1), [3])).toEqual([]);
    await startAgent();
    await eventually(async () => (await state('node3')) === 'member', PATIENCE);
    // Each call has the result that its caller was given.
    const told = await outcomes;
    for (const each of told) {
      if (each.status === 'rejected') expect(each.reason).toMatchObject({ code: expect.stringMatching(/^[A-Z_]+$/) });
    }
    const succeeded = told.flatMap((each) => (each.status === 'fulfilled' ? [each.value.info.device] : []));
    const taps = async () =>
      (await host(3).listInterfaces()).map(({ device }) => device).filter((name) => /^k\d$/.test(name));
    await eventually(async () => (await taps()).length === succeeded.length, PATIENCE);
    expect((await taps()).sort()).toEqual(succeeded.sort());
    await eventually(async () => (await host(3).reconcile({ dryRun: true })).length === 0, PATIENCE);
    await eventually(async () => (await meshFindings(cluster, host(1))).length === 0, PATIENCE);
    for (const { uuid, device } of await host(3).listInterfaces()) {
      if (device.startsWith('k')) await (await host(3).getInterface(uuid)).detach();
    }
    expect(await pings(guest(1).namespace, guest(3).address)).toBe(true);
  });

  const network_ = (number: number) => host(number).getNetwork(network.uuid);

  test('a terminated agent leaves its networks running, and its successor takes over at once', async () => {
    expect(await stopAgent('SIGTERM')).toBe(0);
    expect(await pings(guest(1).namespace, guest(3).address)).toBe(true);
    await startAgent();
    expect(await state('node3')).toBe('member');
    expect(await host(3).reconcile({ dryRun: true })).toEqual([]);
    expect(await pings(guest(1).namespace, guest(3).address)).toBe(true);
  });

  test('a call that waits for a node without an agent names the node', async () => {
    await stopAgent('SIGKILL');
    const waiting = await cluster.open(3, { agent: false, nodeTimeout: 1000 });
    const net = await waiting.getNetwork(network.uuid);
    const error = await rejection(net.attach({ tap: 'late' }));
    expect(error).toMatchObject({ code: 'ERR_VETHWORK_NODE_TIMEOUT', nodes: ['node3'] });
    expect(String(error)).toContain('node3');
    await startAgent();
    await eventually(async () => (await host(1).listInterfaces()).every(({ device }) => device !== 'late'), PATIENCE);
  });

  test('an error on another node rejects the call, which leaves nothing behind', async () => {
    const net = await network_(3);
    await cluster.node(3).ip('link', 'add', 'taken', 'type', 'bridge');
    const before = await net.listAddresses();
    const error = await rejection(net.attach({ tap: 'taken' }));
    expect(error).toMatchObject({ name: 'NodeError', node: 'node3' });
    expect(await net.listAddresses()).toEqual(before);
    await cluster.node(3).ip('link', 'delete', 'taken');
    expect(await meshFindings(cluster, host(1))).toEqual([]);
  });

  test('an index that a link of another program has on another node is not used', async () => {
    // The next three indexes that the store assigns, from etcd: a client reserves a block.
    const visitor = await cluster.open(3, { agent: false });
    const next = Number(await cluster.etcd.ctl('get', '--print-value-only', 'vethwork/ifindex'));
    await cluster.node(3).ip('link', 'add', 'foreign0', 'index', String(next), 'type', 'bridge');
    await cluster.node(1).ip('link', 'add', 'foreign1', 'index', String(next + 2), 'type', 'bridge');
    const nic = await (await visitor.getNetwork(network.uuid)).attach({ tap: 'second' });
    const [link] = await json<{ ifindex: number }[]>('ip', '-n', cluster.node(3).name, '-j', 'link', 'show', 'second');
    expect(link?.ifindex).toBe(next + 1);
    await nic.float();
    const pairs = await json<{ ifindex: number }[]>('ip', '-n', cluster.node(1).name, '-j', 'link');
    expect(pairs.map(({ ifindex }) => ifindex)).toContain(next + 4);
    await nic.detach();
    // They are unchanged; only their owner removes them.
    await host(1).drained();
    await cluster.node(3).ip('link', 'delete', 'foreign0');
    await cluster.node(1).ip('link', 'delete', 'foreign1');
    await visitor.close();
    expect(await meshFindings(cluster, host(1))).toEqual([]);
  });

  test('without the store, networks keep running, reads report their age, writes fail; all recovers with the store', async () => {
    await cluster.etcd.kill();
    const net = await network_(2);
    await eventually(async () => (await host(2).listNetworks())[0]?.asOf !== undefined, PATIENCE);
    expect(net.uuid).toBe(network.uuid);
    const [info] = await host(2).listNetworks();
    expect(Date.parse(info?.asOf ?? '')).toBeLessThan(Date.now());
    expect((await host(2).refresh()).asOf).toBeDefined();
    const error = await rejection(host(2).createNetwork({ name: 'other', netblock: '172.17.0.0/24' }));
    expect(error).toMatchObject({ code: 'ERR_VETHWORK_STORE' });
    expect(String(error)).toContain("can't be reached");
    for (const from of guests) for (const to of guests) expect(await pings(from.namespace, to.address)).toBe(true);
    expect(await pings(guest(2).namespace, '10.0.0.1')).toBe(true);
    await eventually(async () => (await ask('/healthz')).includes('store unreachable'), PATIENCE);

    await cluster.etcd.run();
    await eventually(async () => (await host(2).listNetworks())[0]?.asOf === undefined, PATIENCE);
    await eventually(async () => (await ask('/healthz')).includes('"ok"'), PATIENCE);
    for (const name of ['node1', 'node2', 'node3'])
      await eventually(async () => (await state(name)) === 'member', PATIENCE);
    const other = await host(3).createNetwork({ name: 'other', netblock: '172.17.0.0/24' });
    await other.delete();
    await eventually(async () => (await meshFindings(cluster, host(1))).length === 0, PATIENCE);
    for (const from of guests) for (const to of guests) expect(await pings(from.namespace, to.address)).toBe(true);
  });
});
