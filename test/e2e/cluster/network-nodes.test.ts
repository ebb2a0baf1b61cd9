import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openNode } from '../../../src/api/open-host.js';
import { run } from '../../../src/cli/program.js';
import type { ClusterHostOptions, Host } from '../../../src/index.js';
import { TestCluster } from '../../support/cluster.js';
import { pings } from '../../support/host.js';
import { rejection } from '../../support/kernel.js';
import { eventually, json, privileged } from '../../support/namespaces.js';

const NETWORK_NODE = { role: 'network', egressNic: 'eth0', floatingNetwork: '192.168.15.0/24' } as const;

/** Moves of networks are in network-moves.test.ts: there, each node has namespaces of its own. */
describe.skipIf(!privileged)('a cluster with several network nodes', () => {
  let cluster: TestCluster;
  let hosts: Host[];
  const host = (number: number) => hosts[number - 1] as Host;
  const conflict = (text: string) => ({ name: 'ConflictError', message: expect.stringContaining(text) });
  const open = (number: number, options: Partial<ClusterHostOptions>) => rejection(cluster.open(number, options));

  beforeAll(async () => {
    cluster = await TestCluster.create({ nodes: 4, options: { leaseTime: 2000 } });
    hosts = [await cluster.open(1), await cluster.open(2, NETWORK_NODE), await cluster.open(3)];
  });

  afterAll(() => cluster[Symbol.asyncDispose]());

  /** As a router outside that learns which node serves which address. */
  async function learnRoutes(): Promise<void> {
    for (const { address, node = '' } of await host(3).listFloatingAddresses()) {
      await cluster.world.ip('route', 'replace', `${address}/32`, 'via', cluster.vtep(Number(node.slice(-1))));
    }
  }

  /** Routes of the table that a routing daemon exports, by node. */
  const announced = async (number: number) => {
    const routes = await json<{ dst: string; table?: string }[]>(
      ...(['ip', '-n', cluster.node(number).name, '-j', 'route', 'show', 'table', 'all'] as const),
    );
    return routes.flatMap(({ dst, table }) => (table === '4789' ? [dst] : [])).sort();
  };

  test('spreads networks, and translates addresses on each of its nodes', async () => {
    const networks = [
      await host(3).createNetwork({ name: 'one', netblock: '172.16.1.0/24' }),
      await host(1).createNetwork({ name: 'two', netblock: '172.16.2.0/24' }),
    ];
    expect(networks.map(({ info }) => info.router).sort()).toEqual(['node1', 'node2']);
    const addresses: Record<string, string[]> = { node1: [], node2: [] };
    for (const { uuid, info } of networks) {
      const { router = '', floatingGateway = '' } = info;
      const number = Number(router.slice(-1));
      const guests = [await cluster.guest(host(3), uuid), await cluster.client(host(number), uuid)];
      for (const guest of guests) {
        const nic = await host(2).getInterface(guest.uuid);
        const floating = await nic.float();
        addresses[router]?.push(floating);
        await learnRoutes();
        expect(await pings(guest.namespace, '10.0.0.1'), `${guest.node} ${router}`).toBe(true);
        expect(await pings(cluster.world, floating), `${guest.node} ${router}`).toBe(true);
      }
      expect(guests[1]).toMatchObject({ lease: { router: info.gateway } });
      addresses[router]?.push(floatingGateway);
    }
    for (const number of [1, 2]) {
      expect(await announced(number)).toEqual(addresses[`node${number}`]?.sort());
    }
    expect(await announced(3)).toEqual([]);
    for (const each of hosts) expect(await each.reconcile({ dryRun: true })).toEqual([]);
  });

  test('tells which node routes a network and serves an address', async () => {
    const { nodes = [] } = await host(3).refresh();
    expect(nodes).toMatchObject([
      { name: 'node1', role: 'network', networks: 1, egressPorts: { used: 3, total: 1023 }, floatingPool: 'default' },
      { name: 'node2', role: 'network', networks: 1, egressPorts: { used: 3, total: 1023 }, floatingPool: 'default' },
      { name: 'node3', role: 'hypervisor' },
    ]);
    expect(nodes[2]).not.toHaveProperty('networks');
    const addresses = await host(1).listFloatingAddresses();
    expect(addresses.map(({ use, node }) => `${use} ${node}`).sort()).toEqual([
      ...['floating node1', 'floating node1', 'floating node2', 'floating node2'],
      ...['gateway node1', 'gateway node2'],
    ]);
    const network = await host(1).getNetwork('one');
    const other = host(network.info.router === 'node1' ? 2 : 1);
    expect(Object.keys(await (await other.getNetwork('one')).counters())).not.toContain('router');
    expect(Object.keys(await network.counters())).toContain(network.info.router === 'node1' ? 'router' : 'mesh');
    expect(await rejection((await other.getNetwork('one')).ping('172.16.1.1'))).toMatchObject(
      conflict(`on node ${network.info.router}`),
    );
  });

  test('routes an address into a network on its node', async () => {
    const network = await host(3).getNetwork('two');
    const routed = await network.routeAddress();
    const router = Number(network.info.router?.slice(-1));
    expect(await announced(router)).toContain(routed);
    await network.unrouteAddress(routed);
    expect(await announced(router)).not.toContain(routed);
  });

  test('rejects nodes with other pools, and unknown routers and pools', async () => {
    const pool = { ...NETWORK_NODE, floatingNetwork: '192.168.16.0/24' };
    expect(await open(4, pool)).toMatchObject(conflict('floating pool default is 192.168.15.0/24'));
    expect(await open(4, { ...pool, floatingPool: 'blue', floatingNetwork: '192.168.15.128/25' })).toMatchObject(
      conflict('overlaps 192.168.15.0/24'),
    );
    expect(await open(4, { floatingPool: 'blue' })).toMatchObject({ name: 'ValidationError', field: 'floatingPool' });
    expect(await open(4, { ...NETWORK_NODE, vxlanPort: 4790 })).toMatchObject(conflict('vxlanPort is 4789'));
    expect(await open(2, {})).toMatchObject(conflict('its role cannot be hypervisor'));
    const create = (options: object) =>
      rejection(host(3).createNetwork({ name: 'three', netblock: '172.16.3.0/24', ...options }));
    expect(await create({ router: 'node9' })).toMatchObject({ name: 'NotFoundError' });
    expect(await create({ router: 'node3' })).toMatchObject({ name: 'NotFoundError' });
    expect(await create({ floatingPool: 'blue' })).toMatchObject({ name: 'NotFoundError' });
    expect((await host(1).refresh()).nodes?.map(({ name }) => name)).toEqual(['node1', 'node2', 'node3']);
    expect((await host(1).listNetworks()).length).toBe(2);
  });

  test('serves a second floating pool on a further node', async () => {
    const four = await cluster.open(4, { ...NETWORK_NODE, floatingPool: 'blue', floatingNetwork: '192.168.16.0/24' });
    hosts[3] = four;
    const network = await host(1).createNetwork({ name: 'blue', netblock: '172.16.4.0/24', floatingPool: 'blue' });
    expect(network.info).toMatchObject({ router: 'node4', floatingPool: 'blue' });
    expect(network.info.floatingGateway).toMatch(/^192\.168\.16\./);
    const guest = await cluster.guest(host(3), network.uuid);
    const floating = await (await host(1).getInterface(guest.uuid)).float();
    expect(floating).toMatch(/^192\.168\.16\./);
    await learnRoutes();
    expect(await pings(cluster.world, floating)).toBe(true);
    expect(await pings(guest.namespace, '10.0.0.1')).toBe(true);
    // Without a wish, a network gets addresses of the default pool.
    const plain = await host(1).createNetwork({ name: 'plain', netblock: '172.16.5.0/24', provideDhcp: false });
    expect(plain.info.router).not.toBe('node4');
    const wrong = { name: 'wrong', netblock: '172.16.6.0/24', router: 'node4', floatingPool: 'default' };
    expect(await rejection(host(1).createNetwork(wrong))).toMatchObject(conflict('node4 does not serve'));
    expect(await rejection(plain.move({ to: 'node4' }))).toMatchObject(conflict('floating pool default'));
    for (const each of [plain, network]) await each.delete();
    expect(await announced(4)).toEqual([]);
  });

  test('refuses moves that cannot be made', async () => {
    const network = await host(3).getNetwork('one');
    const { router = '' } = network.info;
    const other = router === 'node1' ? 'node2' : 'node1';
    expect(await rejection(network.move({ to: 'node9' }))).toMatchObject({ name: 'NotFoundError' });
    expect(await rejection(network.move({ to: 'node3' }))).toMatchObject(conflict('node3 is not a network node'));
    expect(await rejection(network.move({ to: other, force: true }))).toMatchObject(conflict('is a member'));
    expect(await rejection(network.move({} as { to: string }))).toMatchObject({ name: 'ValidationError', field: 'to' });
    expect((await network.move({ to: router })).router).toBe(router);
    expect(await rejection(host(3).drainNode('node3'))).toMatchObject(conflict('not a network node'));
    expect(await rejection(host(3).cordonNode('node9'))).toMatchObject({ name: 'NotFoundError' });
    await host(3).cordonNode(other);
    expect(await rejection(network.move({ to: other }))).toMatchObject(conflict('is cordoned'));
    expect((await host(1).refresh()).nodes?.find(({ name }) => name === other)).toMatchObject({ cordoned: true });
    for (const name of ['c1', 'c2']) {
      const created = await host(3).createNetwork({ name, netblock: '172.16.7.0/24', provideDhcp: false });
      expect(created.info.router).toBe(router);
      await created.delete();
    }
    await host(3).cordonNode(router);
    const create = { name: 'c3', netblock: '172.16.7.0/24', provideDhcp: false };
    expect(await rejection(host(3).createNetwork(create))).toMatchObject(conflict('are cordoned'));
    for (const node of [router, other]) await host(3).uncordonNode(node);
    await (await host(3).createNetwork(create)).delete();
    expect((await network.refresh()).router).toBe(router);
  });

  test('is described and changed on the command line', async () => {
    const file = join(cluster.folder, 'client.json');
    await writeFile(file, JSON.stringify(cluster.options(3)), { mode: 0o600 });
    const vethwork = async (...args: string[]) => {
      let [stdout, stderr] = ['', ''];
      const output = {
        stdout: { write: (text: string) => (stdout += text) },
        stderr: { write: (text: string) => (stderr += text) },
      };
      const code = await run(['--cluster', file, ...args], output);
      return { code, stdout, stderr };
    };
    const { router = '' } = (await host(3).getNetwork('one')).info;
    expect((await vethwork('network', 'list')).stdout).toMatch(new RegExp(`ROUTER[^]* one .* ${router}\\n`));
    expect((await vethwork('network', 'show', 'one')).stdout).toMatch(new RegExp(`router +: ${router}`));
    const addresses = JSON.parse((await vethwork('floating', 'list', '--json')).stdout);
    expect(addresses).toEqual(await host(1).listFloatingAddresses());
    expect((await vethwork('node', 'cordon', router)).stdout).toBe(`cordoned ${router}\n`);
    expect((await vethwork('node', 'list')).stdout).toMatch(
      new RegExp(`${router} .*member, cordoned.* 3 of 1023 .*default`),
    );
    expect((await vethwork('node', 'uncordon', router)).stdout).toBe(`uncordoned ${router}\n`);
    const refused = await vethwork('network', 'move', 'one', '--to', 'node3');
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('node3 is not a network node');
    expect(await vethwork('network', 'move', 'one', '--to', router)).toMatchObject({
      code: 0,
      stdout: `network one is on ${router}\n`,
    });
    expect((await vethwork('node', 'drain', 'node4')).stdout).toBe('drained node4\n');
  });

  test('is left by a network node only without networks', async () => {
    expect(await rejection(host(2).teardown())).toMatchObject(conflict('1 networks exist on node2'));
    await host(4).teardown();
    await host(4).close();
    expect((await host(1).refresh()).nodes?.map(({ name }) => name)).toEqual(['node1', 'node2', 'node3']);
    expect((await cluster.node(4).ip('-o', 'link')).includes('egr-br')).toBe(false);
    // The first network node leaves: the other one has the record of the cluster then.
    for (const { uuid, router } of await host(3).listNetworks()) {
      if (router === 'node1') await (await host(3).getNetwork(uuid)).delete();
    }
    await host(1).close();
    const state = async () => (await host(2).refresh()).nodes?.find(({ name }) => name === 'node1')?.state;
    await eventually(async () => (await state()) === 'gone');
    const moved = (await host(2).listNetworks())[0] as { uuid: string };
    expect(await rejection((await host(2).getNetwork(moved.uuid)).move({ to: 'node1' }))).toMatchObject(
      conflict('is gone'),
    );
    await host(2).removeNode('node1');
    const again = await cluster.open(4);
    expect((await again.refresh()).nodes?.map(({ name }) => name)).toEqual(['node2', 'node3', 'node4']);
    const last = await again.createNetwork({ name: 'last', netblock: '172.16.8.0/24' });
    expect(last.info.router).toBe('node2');
    expect(await rejection(again.removeNode('node2'))).toMatchObject(conflict('is the network node of the cluster'));
    // Its machine returns with another role.
    const { role: _role, egressNic: _nic, floatingNetwork: _network, ...hypervisor } = cluster.options(1);
    const { host: returned } = await openNode(hypervisor);
    expect((await returned.refresh()).nodes?.[0]).toMatchObject({ name: 'node1', role: 'hypervisor', state: 'member' });
    for (const { uuid } of await again.listNetworks()) await (await again.getNetwork(uuid)).delete();
    await returned.teardown();
    await returned.close();
  });
});
