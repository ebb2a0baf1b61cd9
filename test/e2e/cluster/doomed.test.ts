import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host } from '../../../src/index.js';
import { DELETION_GROUP } from '../../../src/plan/group.js';
import { leftovers } from '../../campaign/leftovers.js';
import { TestCluster } from '../../support/cluster.js';
import { compile } from '../../support/compile.js';
import { hasLink, rejection } from '../../support/kernel.js';
import { eventually, json, lastFindings, privileged } from '../../support/namespaces.js';
import type { Doom, Order } from './doomed-child.js';

describe.skipIf(!privileged)('the successor of a killed agent', () => {
  let cluster: TestCluster;
  let compiled: Awaited<ReturnType<typeof compile>>;
  let visitor: Host;
  let agent: ChildProcess | undefined;
  let third: Host;
  const made = new Set<string>();

  beforeAll(async () => {
    compiled = await compile('test/e2e/cluster/doomed-child.ts', 'test/campaign/faults.ts');
    cluster = await TestCluster.create({ nodes: 3, options: { leaseTime: 1000 } });
    agent = await start();
    visitor = await cluster.open(2);
  });

  afterAll(async () => {
    if (agent !== undefined) await end(agent);
    // Its host is torn down with the others.
    await cluster.open(1);
    await cluster[Symbol.asyncDispose]();
    await rm(compiled.folder, { recursive: true, force: true });
  });

  async function start(doom?: Doom): Promise<ChildProcess> {
    const env = { ...process.env, VETHWORK_FAULTS: '1' };
    const child = fork(compiled.script, { env, stdio: ['ignore', 2, 2, 'ipc'] });
    await once(child, 'message');
    const order: Order = { options: cluster.options(1), doom };
    child.send(order);
    await once(child, 'message');
    return child;
  }

  async function end(child: ChildProcess): Promise<void> {
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  }

  test.each(['begun', 'made', 'served'] as const)(
    'finds a network that was being created (%s), although its record was removed meanwhile',
    async (doom) => {
      if (agent !== undefined) await end(agent);
      agent = undefined;
      const doomed = await start(doom);
      const killed = once(doomed, 'exit');
      const uuid = randomUUID();
      made.add(uuid);
      const abort = new AbortController();
      const refused = rejection(
        visitor.createNetwork({ name: doom, uuid, netblock: '172.16.0.0/24', signal: abort.signal }),
      );
      expect(await killed).toEqual([null, 'SIGKILL']);
      abort.abort();
      expect(await refused).toMatchObject({ name: 'AbortError' });
      expect(await visitor.listNetworks()).toEqual([]);
      expect((await json<{ name: string }[]>('ip', '-j', 'netns')).map(({ name }) => name)).toContain(uuid);

      agent = await start();
      expect(await lastFindings(() => leftovers(cluster, made))).toEqual([]);
    },
  );

  test('deletes links that are marked for deletion', async () => {
    const node = cluster.node(3);
    await node.ip(
      'link',
      'add',
      'dead40000001',
      'group',
      String(DELETION_GROUP),
      'type',
      'veth',
      'peer',
      'name',
      'stays',
    );
    third = await cluster.open(3);
    await eventually(async () => !(await hasLink(node, 'dead40000001')));
  });

  test('removes the nftables elements of removed ports, and only those, while other ports are attached', async () => {
    const network = await visitor.createNetwork({ name: 'busy', netblock: '172.17.0.0/24' });
    const here = await third.getNetwork(network.uuid);
    const lasting = await here.attach({ tap: 'lasting' });
    let isOver = false;
    const churn = async (host: typeof here, name: string) => {
      for (let count = 0; !isOver; count++) await (await host.attach({ tap: `${name}${count % 7}` })).detach();
    };
    const busy = [churn(here, 'c'), churn(here, 'd'), churn(network, 'e')];
    const nft = (...args: string[]) => cluster.node(3).run('nft', ...args);
    const marks = () => nft('list', 'map', 'bridge', 'vethwork', 'guarded');
    for (let round = 0; round < 3; round++) {
      await nft('add', 'element', 'bridge', 'vethwork', 'guarded', '{ "gone0" : 5 }');
      await third.reconcile();
      expect(await marks()).not.toContain('gone0');
    }
    isOver = true;
    await Promise.all(busy);
    expect(await marks()).toContain('"lasting"');
    await lasting.detach();
    await network.delete();
  });
});
