import { fork } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host, Interface, MigrateOptions, Network } from '../../../src/index.js';
import { Agents } from '../../campaign/agents.js';
import { type ClusterGuest, TestCluster } from '../../support/cluster.js';
import { compile } from '../../support/compile.js';
import { EchoStream } from '../../support/echo-stream.js';
import { hasLink, rejection } from '../../support/kernel.js';
import { meshFindings } from '../../support/mesh.js';
import { MovingGuest } from '../../support/moving-guest.js';
import { eventually, lastFindings, privileged, TestNamespace } from '../../support/namespaces.js';
import { ping } from '../../support/ping.js';
import { Flow, serveEcho } from '../../support/traffic.js';
import type { Order } from './migrating-child.js';

describe.skipIf(!privileged)('moving an interface between nodes', () => {
  let cluster: TestCluster;
  let compiled: Awaited<ReturnType<typeof compile>>;
  let agents: Agents;
  let hosts: [Host, Host, Host];
  let network: Network;
  let peers: [ClusterGuest, ClusterGuest, ClusterGuest];

  beforeAll(async () => {
    compiled = await compile('test/campaign/cluster-child.ts', 'test/e2e/cluster/migrating-child.ts');
    cluster = await TestCluster.create({ nodes: 3, options: { leaseTime: 2000, nodeTimeout: 20_000 } });
    agents = new Agents(cluster, compiled.script);
    await agents.start(1);
    await Promise.all([agents.start(2), agents.start(3)]);
    const open = (number: number) => cluster.open(number, { agent: false });
    hosts = (await Promise.all([1, 2, 3].map(open))) as [Host, Host, Host];
    network = await hosts[0].createNetwork({ name: 'net', netblock: '172.16.0.0/24' });
    peers = (await Promise.all(hosts.map((host) => cluster.guest(host, network.uuid)))) as typeof peers;
  });

  afterAll(async () => {
    await cluster.deleteNetworks();
    await agents[Symbol.asyncDispose]();
    await cluster[Symbol.asyncDispose]();
    await rm(compiled.folder, { recursive: true, force: true });
  });

  const attach = async (number: 1 | 2 | 3, tap: string): Promise<Interface> =>
    (await (hosts[number - 1] as Host).getNetwork(network.uuid)).attach({ tap });
  const nft = (number: number, ...args: string[]) => cluster.node(number).run('nft', 'list', ...args);
  const isClosed = async (number: number, tap: string) =>
    (await nft(number, 'set', 'bridge', 'vethwork_slots', 'closed')).includes(`"${tap}"`);
  const links = (tap: string) => Promise.all([1, 2, 3].map((number) => hasLink(cluster.node(number), tap)));
  const reached = (address: string) => ping(peers[0].namespace, address, '-W2');

  test('traffic and connections continue, no request is answered twice, and the old side passes nothing', async () => {
    const nic = await attach(2, 'vm');
    const { address } = nic.info;
    const floating = await nic.float();
    await using guest = await MovingGuest.create(nic.info);
    await guest.plug(cluster.node(2), 'vm');
    // The removal of the namespace ends it.
    await serveEcho(guest.namespace, 'vm', 'tcp');
    await using flow = new Flow(cluster.world, floating, 'tcp', 5701);
    expect(await flow.ask()).toBe('vm');
    const before = nic.info;
    const found = await hosts[0].getInterface(nic.uuid);
    const migration = await found.migrate({ to: 'node3' });
    expect(migration.info).toMatchObject({ from: 'node2', to: 'node3', device: 'vm', state: 'prepared' });
    expect([await isClosed(2, 'vm'), await isClosed(3, 'vm')]).toEqual([false, true]);
    expect(await nft(3, 'map', 'bridge', 'vethwork', 'guarded')).toContain('"vm"');
    // From now on, the instance runs on both nodes.
    await guest.plug(cluster.node(3), 'vm');
    // The positive control: both answer if the port of the target is open.
    const closed = ['element', 'bridge', 'vethwork_slots', 'closed', '{ "vm" }'];
    await cluster.node(3).run('nft', 'delete', ...closed);
    const doubled = await EchoStream.start(peers[0].namespace, address);
    expect((await doubled.stop()).duplicates).toBeGreaterThan(0);
    await cluster.node(3).run('nft', 'add', ...closed);
    const sources = [peers[0].namespace, peers[1].namespace, peers[2].namespace];
    const streams = await Promise.all([
      ...sources.slice(0, 1).map((from) => EchoStream.start(from, address)),
      EchoStream.start(cluster.world, floating),
    ]);
    const counted = await nic.counters();
    const moved = await migration.switch();
    const results = await Promise.all(streams.map((stream) => stream.stop()));
    console.log(`gap at the switch, peer on a third node and outside: ${JSON.stringify(results)}`);
    for (const result of results) expect(result).toMatchObject({ duplicates: 0, endsAnswered: true });
    expect(moved.info).toEqual({ ...before, node: 'node3' });
    expect(await links('vm')).toEqual([false, false, true]);
    expect(await flow.ask()).toBe('vm');
    for (const from of sources) expect(await ping(from, address, '-W2')).toBe(true);
    const here = await (await hosts[2].getInterface(nic.uuid)).counters();
    for (const way of ['sent', 'received'] as const) {
      expect(here[way].packets).toBeGreaterThan(counted[way].packets);
      expect(here[way].bytes).toBeGreaterThan(counted[way].bytes);
    }
    await guest.namespace.ip('address', 'add', '172.16.0.250/24', 'dev', 'eth0');
    expect(await ping(guest.namespace, peers[0].address, '-W1', '-I', '172.16.0.250')).toBe(false);
    expect(await ping(guest.namespace, peers[0].address, '-W2', '-I', address)).toBe(true);
    expect(await meshFindings(cluster, hosts[0])).toEqual([]);
    await moved.detach();
  });

  test('from the network node and back, and to containers: the agent of the target checks the namespace', async () => {
    await using there = await TestNamespace.create('there');
    const guest = await cluster.guest(hosts[0], network.uuid);
    const nic = await hosts[0].getInterface(guest.uuid);
    const missing = await rejection(nic.migrate({ to: 'node2' }));
    expect(missing).toMatchObject({ code: 'ERR_VETHWORK_VALIDATION', field: 'netns' });
    for (const netns of ['vwt-no-such-namespace', cluster.node(2).name]) {
      const refused = await rejection(nic.migrate({ to: 'node2', netns }));
      expect(refused).toMatchObject({ name: 'NodeError', code: 'ERR_VETHWORK_VALIDATION', node: 'node2' });
    }
    expect((await nic.refresh()).migration).toBeUndefined();
    const moved = await (await nic.migrate({ to: 'node2', netns: there.name })).switch();
    expect(await ping(there, peers[2].address, '-W2')).toBe(true);
    expect(await ping(there, '10.0.0.1', '-W2')).toBe(true);
    expect(await hasLink(guest.namespace, 'eth0')).toBe(false);
    const { sent } = await (await hosts[1].getInterface(nic.uuid)).counters();
    const second = await moved.migrate({ to: 'node1', netns: guest.namespace.name });
    const back = await second.switch({ waitForSource: false });
    const counted = await (await hosts[0].getInterface(nic.uuid)).counters();
    expect(counted.sent.packets).toBeGreaterThanOrEqual(sent.packets);
    expect(back.info).toMatchObject({ node: 'node1', uuid: guest.uuid, mac: guest.mac, address: guest.address });
    expect(await ping(guest.namespace, peers[2].address, '-W2')).toBe(true);
    expect(await hasLink(there, 'eth0')).toBe(false);
    expect(await meshFindings(cluster, hosts[0])).toEqual([]);
    await back.detach();
  });

  test('an abort, a detach, the end of a block, and the removal of the network leave nothing on the target', async () => {
    const nic = await attach(2, 'quit');
    const migration = await nic.migrate({ to: 'node3', tap: 'other' });
    expect(await hasLink(cluster.node(3), 'other')).toBe(true);
    expect(await rejection(nic.migrate({ to: 'node1' }))).toMatchObject({ code: 'ERR_VETHWORK_CONFLICT' });
    // Another process finds it.
    expect(await hosts[0].listMigrations()).toEqual([migration.info]);
    const floating = await nic.float();
    await nic.defloat();
    expect(floating).not.toBe('');
    await (await (await hosts[2].getInterface(nic.uuid)).migration())?.abort();
    await migration.abort();
    expect(await rejection(migration.switch())).toMatchObject({ code: 'ERR_VETHWORK_CONFLICT' });
    expect(await hasLink(cluster.node(3), 'other')).toBe(false);
    {
      await using _ = await nic.migrate({ to: 'node3', tap: 'other' });
      expect(await hasLink(cluster.node(3), 'other')).toBe(true);
    }
    expect(await hasLink(cluster.node(3), 'other')).toBe(false);
    await nic.migrate({ to: 'node3', tap: 'other' });
    await nic.detach();
    expect(await hasLink(cluster.node(3), 'other')).toBe(false);
    const doomed = await hosts[1].createNetwork({ name: 'doomed', netblock: '172.17.0.0/24', provideDhcp: false });
    const last = await doomed.attach({ tap: 'last' });
    await last.migrate({ to: 'node3' });
    expect(await links('last')).toEqual([false, true, true]);
    await doomed.delete();
    expect(await links('last')).toEqual([false, false, false]);
    expect(await cluster.etcd.keys('vethwork/device/node3/')).toEqual([expect.stringContaining('device/node3/')]);
  });

  test('wrong targets and options are refused before anything is changed', async () => {
    const nic = await attach(2, 'wrong');
    const taken = await attach(3, 'taken');
    const cases: [object, object][] = [
      [{ to: 'node9' }, { code: 'ERR_VETHWORK_NOT_FOUND', kind: 'node', id: 'node9' }],
      [
        { to: 'node2' },
        { code: 'ERR_VETHWORK_CONFLICT', message: expect.stringContaining('is on node node2 already') },
      ],
      [{ to: 'node3', tap: 'taken' }, { code: 'ERR_VETHWORK_CONFLICT' }],
      [{}, { code: 'ERR_VETHWORK_VALIDATION', field: 'to' }],
      [
        { to: 'node3', tap: 'a/b' },
        { code: 'ERR_VETHWORK_VALIDATION', field: 'tap' },
      ],
      [
        { to: 'node3', tap: 'x', netns: 'y' },
        { code: 'ERR_VETHWORK_VALIDATION', field: 'options' },
      ],
      [
        { to: 'node3', owner: 0, netns: 'y' },
        { code: 'ERR_VETHWORK_VALIDATION', field: 'owner' },
      ],
      [
        { to: 'node3', configure: true },
        { code: 'ERR_VETHWORK_VALIDATION', field: 'configure' },
      ],
      [
        { to: 'node3', device: 'eth0' },
        { code: 'ERR_VETHWORK_VALIDATION', field: 'device' },
      ],
    ];
    for (const [options, expected] of cases)
      expect(await rejection(nic.migrate(options as MigrateOptions))).toMatchObject(expected);
    // A link of another program on the target, which it keeps.
    await cluster.node(3).ip('link', 'add', 'foreign0', 'type', 'bridge');
    const refused = await rejection(nic.migrate({ to: 'node3', tap: 'foreign0' }));
    expect(refused).toMatchObject({ name: 'NodeError', node: 'node3' });
    expect(await hasLink(cluster.node(3), 'foreign0')).toBe(true);
    await cluster.node(3).ip('link', 'delete', 'foreign0');
    expect((await nic.refresh()).migration).toBeUndefined();
    expect(await hosts[0].listMigrations()).toEqual([]);
    const moved = await (await nic.migrate({ to: 'node3' })).switch();
    for (const each of [moved, taken]) await each.detach();
  });

  test('an agent that is killed leaves the interface on one node, and its successor completes it', async () => {
    const nic = await attach(2, 'risk');
    await using guest = await MovingGuest.create(nic.info);
    const { address } = nic.info;
    await guest.plug(cluster.node(2), 'risk');
    await using migration = await nic.migrate({ to: 'node3' });
    await guest.plug(cluster.node(3), 'risk');
    expect(await reached(address)).toBe(true);
    // The source does not answer: the interface stays there, and stays prepared.
    await agents.stop(2, 'SIGKILL');
    expect(await rejection(migration.switch())).toMatchObject({ code: 'ERR_VETHWORK_NODE_TIMEOUT', nodes: ['node2'] });
    expect((await nic.refresh()).migration).toMatchObject({ state: 'prepared' });
    expect(await rejection(migration.switch())).toMatchObject({
      code: 'ERR_VETHWORK_CONFLICT',
      message: expect.stringContaining('waitForSource'),
    });
    expect(await reached(address)).toBe(true);
    // Its machine counts as lost.
    const moved = await migration.switch({ waitForSource: false });
    expect(moved.info.node).toBe('node3');
    await agents.start(2);
    await eventually(async () => !(await hasLink(cluster.node(2), 'risk')));
    expect(await reached(address)).toBe(true);
    // The target does not answer: the switch has happened, and its next agent opens the port.
    const back = await moved.migrate({ to: 'node2' });
    await agents.stop(2, 'SIGKILL');
    const late = await rejection(back.switch());
    expect(late).toMatchObject({ nodes: ['node2'] });
    await agents.start(2);
    await guest.plug(cluster.node(2), 'risk');
    await eventually(() => reached(address));
    expect((await nic.refresh()).node).toBe('node2');
    await eventually(async () => !(await hasLink(cluster.node(3), 'risk')));
    await nic.detach();
    expect(await links('risk')).toEqual([false, false, false]);
    expect(await lastFindings(() => meshFindings(cluster, hosts[0]))).toEqual([]);
  });

  /** Makes a call in another process while an agent is killed, and kills the process when the migration has a state. */
  async function killCaller(order: Omit<Order, 'options'>, agent: number, state: string): Promise<void> {
    const child = fork(join(compiled.folder, 'test/e2e/cluster/migrating-child.js'), {
      stdio: ['ignore', 2, 2, 'ipc'],
    });
    await once(child, 'message');
    child.send({ ...order, options: { ...cluster.options(1), agent: false } } satisfies Order);
    await once(child, 'message');
    await agents.stop(agent, 'SIGKILL');
    child.send('go');
    const migrations = async () => (await hosts[0].listMigrations()).filter((each) => each.interface === order.uuid);
    await eventually(async () => (await migrations()).some((each) => each.state === state));
    const killed = once(child, 'exit');
    child.kill('SIGKILL');
    expect(await killed).toEqual([null, 'SIGKILL']);
    await agents.start(agent);
  }

  test('a caller that is killed leaves the interface on one node: the agents remove or complete its migration', async () => {
    const [stays, moves] = [await attach(2, 'stays'), await attach(2, 'moves')];
    await moves.migrate({ to: 'node3' });
    await killCaller({ uuid: stays.uuid, to: 'node3' }, 3, 'preparing');
    await eventually(async () => (await hosts[0].refresh()).nodes?.every(({ state }) => state === 'member'));
    await killCaller({ uuid: moves.uuid }, 2, 'switching');
    await eventually(async () => (await hosts[0].listMigrations()).length === 0);
    expect([(await stays.refresh()).node, (await moves.refresh()).node]).toEqual(['node2', 'node3']);
    await eventually(async () => (await links('stays')).join() === 'false,true,false');
    await eventually(async () => (await links('moves')).join() === 'false,false,true');
    expect([await isClosed(2, 'stays'), await isClosed(3, 'moves')]).toEqual([false, false]);
    for (const nic of [stays, moves]) await nic.detach();
  });
});
