import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host } from '../../../src/index.js';
import { TestCluster } from '../../support/cluster.js';
import { rejection } from '../../support/kernel.js';
import { MovingGuest } from '../../support/moving-guest.js';
import { privileged } from '../../support/namespaces.js';
import { ping } from '../../support/ping.js';

describe.skipIf(!privileged)('moving an interface where links learn addresses', () => {
  let cluster: TestCluster;
  let hosts: [Host, Host, Host];

  beforeAll(async () => {
    cluster = await TestCluster.create({ nodes: 3, options: { arpSuppression: false } });
    hosts = (await cluster.openAll()) as [Host, Host, Host];
  });

  afterAll(() => cluster[Symbol.asyncDispose]());

  test.each([true, false])(
    'all nodes forget what they have learned from the source (anti-spoofing %s)',
    async (antiSpoofing) => {
      const network = await hosts[1].createNetwork({ name: 'net', netblock: '172.16.0.0/24', provideDhcp: false });
      const peers = await Promise.all(hosts.map((host) => cluster.guest(host, network.uuid)));
      const nic = await network.attach({ tap: 'vm', antiSpoofing });
      const { address, mac } = nic.info;
      await using guest = await MovingGuest.create(nic.info);
      await guest.plug(cluster.node(2), 'vm');
      for (const { namespace } of peers) expect(await ping(namespace, address, '-W2')).toBe(true);
      const vtepsOf = async (number: number) =>
        (await cluster.fdb(number, network.info.vni))
          ?.filter((entry) => entry.mac === mac && entry.dst)
          .map(({ dst }) => dst);
      expect(await vtepsOf(1)).toEqual([cluster.vtep(2)]);
      const migration = await nic.migrate({ to: 'node3' });
      await guest.plug(cluster.node(3), 'vm');
      await migration.switch();
      // Nobody sends to the source any more, before the instance has sent anything.
      expect(await vtepsOf(1)).not.toContain(cluster.vtep(2));
      for (const { namespace } of peers) expect(await ping(namespace, address, '-W2')).toBe(true);
      expect(await vtepsOf(1)).toEqual([cluster.vtep(3)]);
      expect(await rejection(migration.abort())).toMatchObject({
        code: 'ERR_VETHWORK_CONFLICT',
        message: expect.stringContaining('has been switched to node node3'),
      });
      await network.delete();
    },
  );
});
