import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host, InterfaceInfo, Network, Pool } from '../../../src/index.js';
import { type ClusterGuest, TestCluster } from '../../support/cluster.js';
import { compile } from '../../support/compile.js';
import { pings } from '../../support/host.js';
import { ipLinks, rejection } from '../../support/kernel.js';
import { eventually, privileged, type TestNamespace } from '../../support/namespaces.js';
import { startTapGuest } from '../../support/tap-guest.js';
import type { Order } from './pools-child.js';

const run = promisify(execFile);

describe.skipIf(!privileged)('the pools of a cluster', () => {
  let cluster: TestCluster;
  let router: Host;
  let hypervisor: Host;
  /** The network, through the agents of the two nodes. */
  let remote: Network;
  let network: Network;
  let neighbour: ClusterGuest;
  let compiled: Awaited<ReturnType<typeof compile>>;

  beforeAll(async () => {
    compiled = await compile('test/e2e/cluster/pools-child.ts');
    cluster = await TestCluster.create({ nodes: 2 });
    [router, hypervisor] = (await cluster.openAll()) as [Host, Host];
    remote = await router.createNetwork({ name: 'demo', netblock: '172.16.0.0/23', provideDns: true });
    network = await hypervisor.getNetwork(remote.uuid);
    neighbour = await cluster.guest(router, remote.uuid);
  });
  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
    await rm(compiled.folder, { recursive: true, force: true });
  });

  const tables = (node: TestNamespace) => node.run('nft', 'list', 'tables');
  /** Ports in the set of closed ports of the hypervisor node, as `nft` prints it. */
  async function closed(): Promise<string[]> {
    const text = await cluster.node(2).run('nft', '-j', 'list', 'set', 'bridge', 'vethwork_slots', 'closed');
    const { nftables } = JSON.parse(text) as { nftables: { set?: { elem?: string[] } }[] };
    return (nftables.find(({ set }) => set !== undefined)?.set?.elem ?? []).sort();
  }
  const slotLinks = async (number: number) =>
    (await ipLinks(cluster.node(number))).map(({ ifname }) => ifname).filter((name) => name.startsWith('vslot-'));
  const slotsOf = async (pool: Pool): Promise<InterfaceInfo[]> =>
    (await network.listInterfaces()).filter((nic) => nic.pool === pool.uuid);
  const free = async (pool: Pool) => (await slotsOf(pool)).filter(({ state }) => state === 'free');
  const devices = (slots: readonly InterfaceInfo[]) => slots.map(({ device }) => device).sort();
  const order = (pool: Pool, role: Order['role'], claims: number): string =>
    JSON.stringify({ role, options: cluster.options(2), network: network.uuid, pool: pool.uuid, claims } as Order);
  const claimElsewhere = async (pool: Pool, claims: number) =>
    JSON.parse((await run(process.execPath, [compiled.script, order(pool, 'claim', claims)])).stdout) as string[];
  const detachAll = async (pool: Pool) => {
    for (const { uuid, state } of await slotsOf(pool))
      if (state !== 'free') await (await hypervisor.getInterface(uuid)).detach();
  };
  const hasNoDrift = () => eventually(async () => (await hypervisor.reconcile({ dryRun: true })).length === 0);

  test('are on the node that prepares them: traffic crosses the mesh from the claim on', async () => {
    const pool = await network.prepare({ kind: 'tap', min: 2, max: 2 });
    expect(pool.info.node).toBe('node2');
    expect(await closed()).toEqual(devices(await free(pool)));
    expect(await tables(cluster.node(1))).not.toContain('vethwork_slots');
    const [slot, other] = (await free(pool)) as [InterfaceInfo, InterfaceInfo];
    expect(slot).toMatchObject({ node: 'node2' });
    const guests = await Promise.all([slot, other].map((each) => startTapGuest(cluster.node(2), each)));
    try {
      const isForwarding = async ({ device }: InterfaceInfo) =>
        (await cluster.node(2).run('bridge', 'link', 'show', 'dev', device)).includes('forwarding');
      await eventually(async () => (await isForwarding(slot)) && (await isForwarding(other)));
      for (const { address } of [slot, other]) expect(await pings(neighbour.namespace, address)).toBe(false);
      const [device] = await claimElsewhere(pool, 1);
      // Positive control.
      const [claimed, unclaimed] = device === slot.device ? [slot, other] : [other, slot];
      expect(claimed.device).toBe(device);
      await eventually(() => pings(neighbour.namespace, claimed.address));
      expect(await pings(neighbour.namespace, unclaimed.address)).toBe(false);
      const nic = await network.attach({ slot: 'tap', hostname: 'web', instance: 'one' });
      expect(nic.info).toMatchObject({ state: 'created', node: 'node2', hostname: 'web' });
      // The agent may have created it meanwhile.
      if (nic.info.device !== unclaimed.device) guests.push(await startTapGuest(cluster.node(2), nic.info));
      await eventually(() => pings(neighbour.namespace, nic.info.address));
      await hasNoDrift();
      expect(await rejection(remote.attach({ slot: 'tap' }))).toMatchObject({ code: 'ERR_VETHWORK_CONFLICT' });
      await detachAll(pool);
      expect(await pings(neighbour.namespace, claimed.address)).toBe(false);
      // The agent creates others.
      await eventually(async () => (await free(pool)).length === 2);
      expect(devices(await free(pool))).not.toContain(device);
    } finally {
      for (const guest of guests) await guest.kill();
    }
    expect(await closed()).toEqual(devices(await free(pool)));
    await pool.delete();
    await hasNoDrift();
    expect([await slotLinks(2), await closed()]).toEqual([[], []]);
  });

  test('give no slot twice to callers of two processes, and attach when they are empty', async () => {
    const pool = await network.prepare({ kind: 'tap', min: 16, max: 16 });
    const here = async () =>
      (await Promise.all(Array.from({ length: 10 }, () => network.attach({ slot: pool })))).map(
        ({ info }) => info.device,
      );
    const claimed = (await Promise.all([claimElsewhere(pool, 10), here()])).flat();
    expect(new Set(claimed).size).toBe(20);
    const links = await slotLinks(2);
    for (const device of claimed) expect(links).toContain(device);
    for (const device of claimed) expect(await closed()).not.toContain(device);
    await eventually(async () => {
      const { hits, misses, claimed } = await pool.status();
      return hits + misses === 20 && hits >= 16 && claimed === 20;
    });
    await detachAll(pool);
    await pool.delete();
    expect([await slotLinks(2), await closed()]).toEqual([[], []]);
  });

  test('belong to their node: one name on two nodes, limits and deletion from elsewhere', async () => {
    const [own, other] = await Promise.all(
      [network, remote].map((each) => each.prepare({ kind: 'namespace', min: 1 })),
    );
    const [pool, far] = [own as Pool, other as Pool];
    expect([pool.info.node, far.info.node]).toEqual(['node2', 'node1']);
    expect((await network.getPool('namespace')).uuid).toBe(pool.uuid);
    expect((await remote.getPool('namespace')).uuid).toBe(far.uuid);
    expect((await network.prepare({ kind: 'namespace', min: 1 })).uuid).toBe(pool.uuid);
    const nic = await network.attach({ slot: 'namespace' });
    await run('nsenter', [`--net=${nic.info.netns}`, 'ping', '-c1', '-W5', neighbour.address]);
    const fromFar = await remote.getPool(pool.uuid);
    await fromFar.resize({ min: 3, max: 3 });
    await eventually(async () => (await free(pool)).length === 3);
    await fromFar.resize({ min: 1, max: 1 });
    await eventually(async () => (await free(pool)).length === 1);
    // A slot that is being removed still counts.
    await eventually(async () => (await router.listPools()).some(({ uuid, free }) => uuid === pool.uuid && free === 1));
    await fromFar.delete();
    await far.delete();
    expect(await rejection(network.getPool('namespace'))).toMatchObject({ code: 'ERR_VETHWORK_NOT_FOUND' });
    await nic.detach();
    await hasNoDrift();
    expect((await router.listInterfaces()).map(({ uuid }) => uuid)).toEqual([neighbour.uuid]);
  });

  test('survive the death of the agent in the middle of a claim', async () => {
    const pool = await network.prepare({ kind: 'tap', min: 3, max: 3 });
    await hypervisor.close();
    const agent = fork(compiled.script, [order(pool, 'agent', 0)], { stdio: ['ignore', 2, 2, 'ipc'] });
    await once(agent, 'message');
    agent.send('die');
    await once(agent, 'message');
    const killed = once(agent, 'exit');
    const claiming = claimElsewhere(pool, 1);
    expect(await killed).toEqual([null, 'SIGKILL']);
    // Control: the claim is recorded, and its port is closed.
    network = await router.getNetwork(network.uuid);
    const claimed = await eventually(async () => (await slotsOf(pool)).find(({ state }) => state === 'created'));
    expect(await closed()).toContain((claimed as InterfaceInfo).device);
    hypervisor = await cluster.open(2);
    network = await hypervisor.getNetwork(network.uuid);
    const [device] = await claiming;
    expect(device).toBe((claimed as InterfaceInfo).device);
    expect(await closed()).not.toContain(device);
    // The successor keeps the pool.
    await eventually(async () => (await free(pool)).length === 3);
    await hasNoDrift();
    expect(await closed()).toEqual(devices(await free(pool)));
    expect(await rejection(router.removeNode('node2'))).toMatchObject({ code: 'ERR_VETHWORK_CONFLICT' });
    expect(await rejection(hypervisor.teardown())).toMatchObject({ code: 'ERR_VETHWORK_CONFLICT' });
  });

  test('are removed with their network', async () => {
    expect(await router.listPools()).toHaveLength(1);
    await remote.delete();
    await hypervisor.drained();
    expect(await router.listPools()).toEqual([]);
    expect([await slotLinks(2), await closed()]).toEqual([[], []]);
    expect((await cluster.etcd.keys()).filter((key) => /^vethwork\/(pool|free|interface)/.test(key))).toEqual([]);
  });
});
