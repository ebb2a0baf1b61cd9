import { afterAll, beforeAll, describe, expect, type MockInstance, test, vi } from 'vitest';
import type { Host, Network } from '../../../src/index.js';
import { openOwnKernel } from '../../../src/kernel/open-kernel.js';
import { TestCluster } from '../../support/cluster.js';
import { meshFindings } from '../../support/mesh.js';
import { privileged } from '../../support/namespaces.js';

describe.skipIf(!privileged)('the cost of a change', () => {
  let cluster: TestCluster;
  let hosts: [Host, Host];
  /** A process that is no agent. */
  let caller: Host;
  let networks: Network[];
  let queries: MockInstance<(query: string, parameters?: { netns?: unknown }) => Promise<unknown>>;
  let taps = 0;

  /** Lists of all objects of the namespace of a node since the last call. */
  const dumps = () => {
    const nodes = cluster.nodes.map(({ name }) => name);
    const ofNodes = queries.mock.calls.filter(
      ([query, parameters]) => query.endsWith('.list') && nodes.includes(parameters?.netns as string),
    );
    queries.mockClear();
    return ofNodes.map(([query]) => query);
  };
  const create = (name: string) => caller.createNetwork({ name, netblock: '172.16.0.0/24', provideDhcp: false });

  beforeAll(async () => {
    const kernel = openOwnKernel(undefined);
    queries = vi.spyOn(Object.getPrototypeOf(kernel), 'query');
    await kernel.close();
    cluster = await TestCluster.create({ nodes: 2 });
    hosts = (await cluster.openAll()) as [Host, Host];
    caller = await cluster.open(2, { agent: false });
    networks = [await create('first')];
    await networks[0]?.attach({ tap: `cost${taps++}` });
  });

  afterAll(async () => {
    queries.mockRestore();
    await cluster[Symbol.asyncDispose]();
  });

  test('an attach takes the caller two round trips to etcd, and each agent one', async () => {
    const attaches = 5;
    const before = await cluster.etcd.requests();
    for (let count = 0; count < attaches; count++) await networks[0]?.attach({ tap: `cost${taps++}` });
    const after = await cluster.etcd.requests();
    // The caller reserves and settles; the network node and the node of the interface report.
    expect(after.transactions - before.transactions).toBe(4 * attaches);
    // Not by the attaches: a process without requests asks for the revision from time to time.
    expect(after.reads - before.reads).toBeLessThan(attaches);
  });

  test('a new network, and its first interface on a node, are created without a list of all objects', async () => {
    dumps();
    for (const name of ['second', 'third', 'fourth']) {
      const network = await create(name);
      networks.push(network);
      await network.attach({ tap: `cost${taps++}` });
      await network.attach({ tap: `cost${taps++}` });
    }
    const ofNetworks = ['link.list', 'neighbour.list', 'nftables.list'];
    expect(dumps().filter((query) => ofNetworks.includes(query))).toEqual([]);
    expect(await meshFindings(cluster, hosts[0])).toEqual([]);
    // The positive control: a reconciliation lists all.
    dumps();
    await hosts[0].reconcile();
    expect(dumps()).toEqual(expect.arrayContaining(ofNetworks));
  });

  test('a call that starts from an outdated replica sees the changes of other processes', async () => {
    const [first, second] = hosts;
    for (let round = 0; round < 10; round++) {
      const network = await first.createNetwork({
        name: `stale${round}`,
        netblock: '172.16.0.0/24',
        provideDhcp: false,
      });
      const elsewhere = await second.getNetwork(network.info.uuid);
      const nic = await elsewhere.attach({ tap: 'stale0' });
      // Without a pause: the replica of this process may not have the interface.
      await (await first.getInterface(nic.info.uuid)).detach();
      await network.delete();
    }
    expect((await first.listInterfaces()).some(({ device }) => device === 'stale0')).toBe(false);
  });
});
