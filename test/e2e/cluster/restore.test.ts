import { rm } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host, Network } from '../../../src/index.js';
import { openEtcdStore } from '../../../src/store/etcd/store.js';
import { Agents } from '../../campaign/agents.js';
import { type ClusterGuest, TestCluster } from '../../support/cluster.js';
import { compile } from '../../support/compile.js';
import { askForLease } from '../../support/dhcp.js';
import { pings } from '../../support/host.js';
import { rejection } from '../../support/kernel.js';
import { meshFindings } from '../../support/mesh.js';
import { eventually, json, privileged } from '../../support/namespaces.js';
import { processes } from '../../support/processes.js';

const PATIENCE = 90_000;

interface Health {
  status: string;
  blocked?: string;
  damaged?: string[];
}

/** Agents are processes of their own here; this process only asks. */
describe.skipIf(!privileged)('a store that lost data', () => {
  let child: { script: string; folder: string };
  let cluster: TestCluster;
  let agents: Agents;
  let network: Network;
  let floating: string;
  const hosts: Host[] = [];
  /** One on each node. */
  const guests: ClusterGuest[] = [];
  const host = (number: number) => hosts[number - 1] as Host;

  beforeAll(async () => {
    child = await compile('test/campaign/cluster-child.ts');
  });
  afterAll(() => rm(child.folder, { recursive: true }));

  async function setUp(): Promise<void> {
    cluster = await TestCluster.create({ nodes: 2, options: { leaseTime: 3000 } });
    agents = new Agents(cluster, child.script);
    for (const number of [1, 2]) {
      await agents.start(number);
      await healthy(number);
      hosts.push(await cluster.open(number, { agent: false }));
    }
    network = await host(1).createNetwork({ name: 'demo', netblock: '172.16.0.0/24' });
    for (const number of [1, 2]) guests.push(await cluster.guest(host(number), network.uuid));
    floating = await (await host(1).getInterface((guests[1] as ClusterGuest).uuid)).float();
  }

  async function tearDown(): Promise<void> {
    await cluster.deleteNetworks();
    await agents[Symbol.asyncDispose]();
    await cluster[Symbol.asyncDispose]();
    hosts.splice(0);
    guests.splice(0);
  }

  function health(number: number): Promise<Health> {
    return new Promise((resolve) => {
      const socketPath = join(cluster.folder, `node${number}.sock`);
      const asked = request({ socketPath, path: '/healthz' }, async (response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of response) chunks.push(chunk as Buffer);
        resolve(JSON.parse(Buffer.concat(chunks).toString()) as Health);
      });
      asked.on('error', () => resolve({ status: 'unreachable' }));
      asked.end();
    });
  }
  const is = (number: number, status: string) =>
    eventually(async () => (await health(number)).status === status, PATIENCE);
  const healthy = (number: number) => is(number, 'ok');
  const suspected = (number: number) => is(number, 'store suspect');

  async function restart(number: number, signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    await agents.stop(number, signal);
    await agents.start(number);
  }

  /** Everything that runs is reached, from instances and from outside. */
  async function expectAlive(alive: readonly ClusterGuest[]): Promise<void> {
    for (const { namespace, address } of alive) {
      const asked = [...guests.map((other) => pings(other.namespace, address)), pings(namespace, '10.0.0.1')];
      expect(await Promise.all(asked)).toEqual(asked.map(() => true));
    }
    expect(await pings(cluster.world, floating)).toBe(true);
  }

  const links = async (number: number) =>
    (await json<{ ifname: string }[]>('ip', '-n', cluster.node(number).name, '-j', 'link')).map(({ ifname }) => ifname);

  /** What comes after the copy: a network with instances, and an instance of the network that the copy has. */
  async function comesLater(name = 'later'): Promise<{ other: Network; late: ClusterGuest }> {
    const other = await host(1).createNetwork({ name: 'other', netblock: '172.17.0.0/24' });
    await other.attach({ tap: `${name}1` });
    await (await host(2).getNetwork(other.uuid)).attach({ tap: `${name}2` });
    const late = await cluster.guest(host(2), network.uuid);
    return { other, late };
  }

  async function expectOnlyTheCopy(other: Network): Promise<void> {
    for (const number of [1, 2]) await healthy(number);
    const vni = other.info.vni.toString(16).padStart(6, '0');
    for (const number of [1, 2]) {
      await eventually(async () => (await links(number)).every((name) => !/later/.test(name) && !name.includes(vni)));
    }
    await eventually(async () => !(await cluster.node(1).run('ip', 'netns', 'list')).includes(other.uuid));
    await eventually(async () => (await processes(`conf-file=.*${other.uuid}`)).length === 0);
    await eventually(async () => (await meshFindings(cluster, host(1))).length === 0, PATIENCE);
    await eventually(async () => (await host(2).reconcile({ dryRun: true })).length === 0, PATIENCE);
    await expectAlive(guests.slice(0, 2));
    // New interfaces can be attached.
    const next = await cluster.guest(host(2), network.uuid);
    expect(await pings(guests[0]?.namespace as ClusterGuest['namespace'], next.address)).toBe(true);
  }

  describe('because an older snapshot was restored, or completely', () => {
    beforeAll(setUp);
    afterAll(tearDown);

    test('agents, running or started later, wait for acceptStore after an older snapshot was restored', async () => {
      const copy = join(cluster.folder, 'copy');
      await cluster.etcd.save(copy);
      const { other, late } = await comesLater();
      await cluster.etcd.restore(copy);
      for (const number of [1, 2]) await suspected(number);
      expect((await health(1)).blocked).toContain('accept-store');
      await expectAlive([...guests, late]);
      for (const number of [1, 2]) await restart(number);
      for (const number of [1, 2]) await suspected(number);
      await expectAlive([...guests, late]);
      for (const number of [1, 2]) expect(await links(number)).toContain(`later${number}`);

      // A client gets a warning, and its calls change nothing.
      const asking = await cluster.open(2, { agent: false });
      expect((await asking.refresh()).warnings?.join()).toContain('accept-store');
      for (const each of [asking, host(2)]) {
        const error = await rejection((await each.getNetwork(network.uuid)).attach({ tap: 'early' }));
        expect(error).toMatchObject({
          code: 'ERR_VETHWORK_CONFLICT',
          message: expect.stringContaining('accept-store'),
        });
        expect(await rejection(each.teardown())).toMatchObject({ code: 'ERR_VETHWORK_CONFLICT' });
      }
      const told: string[] = [];
      for await (const { event, detail = '' } of asking.events({ history: true, follow: false })) {
        if (event === 'store.suspect') told.push(detail);
      }
      expect(told.join()).toContain('accept-store');

      await asking.acceptStore();
      await late.namespace.remove();
      await expectOnlyTheCopy(other);
      for (const number of [1, 2]) await restart(number);
      for (const number of [1, 2]) await healthy(number);
    });

    test('an older snapshot is detected although it was written to since, and an earlier acceptStore does not count', async () => {
      await host(1).acceptStore();
      const copy = join(cluster.folder, 'second');
      await cluster.etcd.save(copy);
      const { other, late } = await comesLater('later-again');
      for (const number of [1, 2]) await agents.stop(number, 'SIGTERM');
      await cluster.etcd.restore(copy);
      const another = await openEtcdStore({ etcd: [cluster.etcd.url], prefix: 'another/' });
      for (let value = 0; value < 200; value++) {
        await another.commit({ conditions: [], puts: [{ key: 'key', value }], deletes: [] });
      }
      await another.close();
      for (const number of [1, 2]) await agents.start(number);
      for (const number of [1, 2]) await suspected(number);
      await expectAlive([...guests, late]);
      await host(1).acceptStore();
      await late.namespace.remove();
      await expectOnlyTheCopy(other);
    });

    test('agents, running or started later, wait for acceptStore after records vanished without a deletion', async () => {
      const { other, late } = await comesLater('later-lost');
      for (const prefix of ['interface/', 'member/', 'network/'])
        await cluster.etcd.ctl('del', '--prefix', `vethwork/${prefix}`);
      for (const number of [1, 2]) await suspected(number);
      for (const number of [1, 2]) await restart(number);
      for (const number of [1, 2]) await suspected(number);
      await expectAlive([...guests, late]);
      await host(2).acceptStore();
      for (const number of [1, 2]) await healthy(number);
      for (const number of [1, 2])
        await eventually(async () => (await links(number)).every((name) => !/later|vxlan/.test(name)));
      await eventually(async () => !(await cluster.node(1).run('ip', 'netns', 'list')).includes(other.uuid));
    });
  });

  describe('while an agent is stopped, or in one value', () => {
    beforeAll(setUp);
    afterAll(tearDown);

    test('NAT, floating IPs and DHCP continue while the agent of the network node is stopped', async () => {
      await agents.stop(1, 'SIGKILL');
      const state = async () => (await host(2).refresh()).nodes?.find(({ name }) => name === 'node1')?.state;
      await eventually(async () => (await state()) === 'gone', PATIENCE);
      await expectAlive(guests);
      expect(await meshFindings(cluster, host(2), [1])).toEqual([]);
      await agents.start(1);
      await healthy(1);
      const client = await cluster.client(host(2), network.uuid);
      expect(client.lease?.ip).toBe(client.address);
      await agents.stop(1, 'SIGKILL');
      await eventually(async () => (await state()) === 'gone', PATIENCE);
      expect((await askForLease(client.namespace, 'eth0'))?.ip).toBe(client.address);
      expect(await pings(client.namespace, '10.0.0.1')).toBe(true);
      await agents.start(1);
      await healthy(1);
    });

    test('a value that is not JSON is reported with its key, and everything else continues', async () => {
      await cluster.etcd.ctl('put', 'vethwork/network/x', 'hello');
      const uuid = guests[1]?.uuid as string;
      const record = (await cluster.etcd.ctl('get', '--print-value-only', `vethwork/interface/${uuid}`)).trim();
      await cluster.etcd.ctl('put', `vethwork/interface/${uuid}`, '{');
      await is(2, 'failing');
      expect((await health(2)).damaged?.sort()).toEqual([`interface/${uuid}`, 'network/x']);
      await restart(2);
      await is(2, 'failing');
      await expectAlive(guests);
      expect(await host(1).listNetworks()).toHaveLength(1);
      expect((await host(1).refresh()).warnings?.join()).toContain('network/x');
      const error = await rejection((await host(1).getNetwork(network.uuid)).attach({ tap: 'beside' }));
      expect(error).toMatchObject({ name: 'NodeError', message: expect.stringContaining(uuid) });
      const other = await host(2).createNetwork({ name: 'other', netblock: '172.17.0.0/24' });
      await other.attach({ tap: 'elsewhere' });
      await expectAlive(guests);
      await cluster.etcd.ctl('del', 'vethwork/network/x');
      await cluster.etcd.ctl('put', `vethwork/interface/${uuid}`, record);
      for (const number of [1, 2]) await healthy(number);
      await eventually(async () => (await host(2).reconcile({ dryRun: true })).length === 0, PATIENCE);
      await expectAlive(guests);
      await other.delete();
    });

    test('what was deleted while an agent was stopped is removed without acceptStore', async () => {
      const { other } = await comesLater();
      await agents.stop(2, 'SIGKILL');
      const state = async () => (await host(1).refresh()).nodes?.find(({ name }) => name === 'node2')?.state;
      await eventually(async () => (await state()) === 'gone', PATIENCE);
      await (await host(1).getNetwork(other.uuid)).delete();
      for (const { uuid, node } of await host(1).listInterfaces()) {
        if (node === 'node2') await (await host(1).getInterface(uuid)).detach();
      }
      expect(await links(2)).toContain('later2');
      await agents.start(2);
      await healthy(2);
      await eventually(async () => (await links(2)).sort().join() === 'eth0,lo', PATIENCE);
      await eventually(async () => (await cluster.etcd.ctl('get', '--prefix', 'vethwork/removed/')) === '', PATIENCE);
    });
  });
});
