import { fork } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { TestCluster } from '../../support/cluster.js';
import { compile } from '../../support/compile.js';
import { meshFindings } from '../../support/mesh.js';
import { eventually, lastFindings, privileged } from '../../support/namespaces.js';
import type { Given, Order } from './race-child.js';

const PROCESSES = 6;
const NODES = 3;
const COUNT = 2;

const isUnique = (values: readonly unknown[]) => new Set(values).size === values.length;

describe.skipIf(!privileged)('six concurrent processes', () => {
  test('on three nodes never get the same VNI, address, MAC or floating address', async () => {
    const { script, folder } = await compile('test/e2e/cluster/race-child.ts');
    await using cluster = await TestCluster.create({ nodes: NODES });
    const first = await cluster.open(1);
    const shared = await first.createNetwork({ name: 'shared', netblock: '172.16.0.0/24', provideDhcp: false });
    const children = Array.from({ length: PROCESSES }, () => fork(script, { stdio: ['ignore', 2, 2, 'ipc'] }));
    await Promise.all(children.map((child) => once(child, 'message')));
    const answers = children.map(async (child, index) => {
      const order: Order = { options: cluster.options((index % NODES) + 1), shared: shared.uuid, count: COUNT };
      const answer = once(child, 'message');
      const ended = once(child, 'exit');
      child.send(order);
      const [given] = (await Promise.race([answer, ended.then(([code]) => [code])])) as [Given | number];
      expect(given).toBeTypeOf('object');
      expect(await ended).toEqual([0, null]);
      return given as Given;
    });
    const all = await Promise.all(answers);
    await rm(folder, { recursive: true, force: true });

    const interfaces = all.flatMap((given) => given.interfaces);
    expect(interfaces).toHaveLength(PROCESSES * 2 * COUNT);
    expect(isUnique([shared.info.vni, ...all.map(({ vni }) => vni)])).toBe(true);
    expect(isUnique(interfaces.map(({ network, mac }) => `${network} ${mac}`))).toBe(true);
    expect(isUnique(interfaces.map(({ network, address }) => `${network} ${address}`))).toBe(true);
    expect(
      isUnique([
        shared.info.floatingGateway,
        ...all.map(({ gateway }) => gateway),
        ...interfaces.map(({ floating }) => floating),
      ]),
    ).toBe(true);
    // The store has the same values, under the same number of keys.
    const keys = await cluster.etcd.keys();
    for (const { uuid } of interfaces) expect(keys).toContain(`vethwork/interface/${uuid}`);
    expect(await first.listNetworks()).toHaveLength(PROCESSES + 1);

    for (let number = 2; number <= NODES; number++) await cluster.open(number);
    await eventually(async () => (await first.refresh()).nodes?.every(({ state }) => state === 'member') ?? false);
    expect(await lastFindings(() => meshFindings(cluster, first), 90_000)).toEqual([]);
  });
});
