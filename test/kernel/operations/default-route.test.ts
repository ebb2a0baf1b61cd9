import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host, Network } from '../../../src/index.js';
import { TestHost } from '../../support/host.js';
import { json, privileged, type TestNamespace } from '../../support/namespaces.js';

describe.skipIf(!privileged)('a container with a default route', () => {
  let machine: TestHost;
  let host: Host;
  let network: Network;

  beforeAll(async () => {
    machine = await TestHost.create();
    host = await machine.open();
    network = await host.createNetwork({ name: 'demo', netblock: '172.16.0.0/24' });
  });
  afterAll(() => machine.remove());

  /** Default routes by `ip`, in the order in which the kernel prefers them. */
  const defaults = async (guest: TestNamespace) => {
    const routes = await json<{ type?: string; gateway?: string; dev?: string; metric?: number }[]>(
      ...(['ip', '-n', guest.name, '-j', '-d', 'route', 'show', 'default'] as const),
    );
    return routes.map(({ type, dev, metric = 0 }) => `${type === 'blackhole' ? type : dev} ${metric}`);
  };

  test('gets another one with the next free metric, which is repaired and removed', async () => {
    const guest = await machine.guest();
    await guest.ip('link', 'add', 'own', 'type', 'bridge');
    await guest.ip('address', 'add', '10.9.0.2/24', 'dev', 'own');
    await guest.ip('link', 'set', 'own', 'up');
    await guest.ip('route', 'add', 'default', 'via', '10.9.0.1', 'dev', 'own');
    await guest.ip('route', 'add', 'blackhole', 'default', 'metric', '1');
    await guest.ip('route', 'add', 'default', 'via', '10.9.0.1', 'dev', 'own', 'metric', '6');
    // These do not conflict with the new route.
    await guest.ip('route', 'add', 'default', 'via', '10.9.0.1', 'dev', 'own', 'table', '77', 'metric', '2');
    const before = await defaults(guest);
    const first = await network.attach({ netns: guest.name, configure: true });
    const second = await network.attach({ netns: guest.name, name: 'eth1', configure: true, order: 6 });
    const third = await network.attach({ netns: guest.name, name: 'eth2', configure: true, order: 4 });
    const all = ['own 0', 'blackhole 1', 'eth0 2', 'eth2 4', 'own 6', 'eth1 7'];
    expect(await defaults(guest)).toEqual(all);
    expect(await host.reconcile()).toEqual([]);
    await guest.ip('route', 'delete', 'default', 'dev', 'eth0');
    expect(await host.reconcile()).toHaveLength(1);
    expect(await defaults(guest)).toEqual(all);
    for (const nic of [first, second, third]) await nic.detach();
    expect(await defaults(guest)).toEqual(before);
  });

  test('gets two different metrics by two concurrent attaches', async () => {
    const guest = await machine.guest();
    await Promise.all(
      ['eth0', 'eth1', 'eth2'].map((name) => network.attach({ netns: guest.name, name, configure: true })),
    );
    expect((await defaults(guest)).map((route) => route.split(' ')[1])).toEqual(['0', '1', '2']);
    expect(await host.reconcile()).toEqual([]);
  });

  test('gets the metric of the order if that is free', async () => {
    const guest = await machine.guest();
    await guest.ip('link', 'set', 'lo', 'up');
    await guest.ip('-6', 'route', 'add', 'blackhole', 'default', 'metric', '1');
    await network.attach({ netns: guest.name, configure: true });
    expect(await defaults(guest)).toEqual(['eth0 0']);
  });
});
