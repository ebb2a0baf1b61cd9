import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host, Network } from '../../../src/index.js';
import { Agents } from '../../campaign/agents.js';
import { type ClusterGuest, TestCluster } from '../../support/cluster.js';
import { compile } from '../../support/compile.js';
import { EchoStream } from '../../support/echo-stream.js';
import { MovingGuest } from '../../support/moving-guest.js';
import { privileged } from '../../support/namespaces.js';
import { ping } from '../../support/ping.js';

describe.skipIf(!privileged)('moving an interface between nodes', () => {
  let cluster: TestCluster;
  let compiled: Awaited<ReturnType<typeof compile>>;
  let agents: Agents;
  let hosts: [Host, Host, Host];
  let network: Network;
  let peers: [ClusterGuest, ClusterGuest, ClusterGuest];

  beforeAll(async () => {
    compiled = await compile('test/campaign/cluster-child.ts');
    cluster = await TestCluster.create({ nodes: 3, options: { leaseTime: 2000, nodeTimeout: 20_000 } });
    agents = new Agents(cluster, compiled.script);
    await agents.start(1);
    await Promise.all([agents.start(2), agents.start(3)]);
    hosts = (await Promise.all([1, 2, 3].map((number) => cluster.open(number, { agent: false })))) as [
      Host,
      Host,
      Host,
    ];
    network = await hosts[0].createNetwork({ name: 'net', netblock: '172.16.0.0/24' });
    peers = (await Promise.all(hosts.map((host) => cluster.guest(host, network.uuid)))) as typeof peers;
  });

  afterAll(async () => {
    await cluster.deleteNetworks();
    await agents[Symbol.asyncDispose]();
    await cluster[Symbol.asyncDispose]();
    await rm(compiled.folder, { recursive: true, force: true });
  });

  test('traffic continues, no node answers twice, and the old side passes nothing', async () => {
    const nic = await (await hosts[1].getNetwork(network.uuid)).attach({ tap: 'vm' });
    const floating = await nic.float();
    await using guest = await MovingGuest.create(nic.info);
    await guest.plug(cluster.node(2), 'vm');
    const before = nic.info;
    const migration = await hosts[0].getInterface(nic.uuid).then((found) => found.migrate({ to: 'node3' }));
    expect(migration.info).toMatchObject({ from: 'node2', to: 'node3', device: 'vm', state: 'prepared' });
    await guest.plug(cluster.node(3), 'vm');
    const streams = await Promise.all([
      EchoStream.start(peers[0].namespace, nic.info.address),
      EchoStream.start(cluster.world, floating),
    ]);
    const moved = await migration.switch();
    const results = await Promise.all(streams.map((stream) => stream.stop()));
    console.log(results);
    for (const result of results) expect(result).toMatchObject({ duplicates: 0, endsAnswered: true });
    expect(moved.info).toEqual({ ...before, node: 'node3' });
    for (const { namespace } of peers) expect(await ping(namespace, nic.info.address, '-W2')).toBe(true);
    await moved.detach();
  });
});
