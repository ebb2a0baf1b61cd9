import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Host, Network } from '../../../src/api/types.js';
import { TestHost } from '../../support/host.js';
import { json, privileged, TestNamespace } from '../../support/namespaces.js';

/** More than what is taken out of service one by one. */
const MANY = 40;

/** Those that go at once are deleted together instead of being taken out of service one by one before. */
describe.skipIf(!privileged)('many interfaces that are removed at once', () => {
  let machine: TestHost;
  let host: Host;
  let network: Network;
  let containers: TestNamespace[];

  beforeEach(async () => {
    machine = await TestHost.create();
    host = await machine.open();
    network = await host.createNetwork({ name: 'many', netblock: '172.16.0.0/24', provideDhcp: false });
    containers = [];
    while (containers.length < MANY / 2) containers.push(await TestNamespace.create('many'));
  });

  afterEach(async () => {
    for (const container of containers) await container.remove();
    await machine.remove();
  });

  const names = async (...options: string[]) =>
    (await json<{ ifname: string }[]>('ip', '-j', ...options)).map(({ ifname }) => ifname);
  const onHost = () => names('-n', machine.node.name, 'link');

  /** As many veths as taps. */
  const attachAll = () =>
    Promise.all(
      containers.flatMap(({ name }, index) => [
        network.attach({ netns: name, name: 'eth0', configure: true }),
        network.attach({ tap: `tap${index}` }),
      ]),
    );

  it('are removed, their names are free, and they can be attached again without a pause', async () => {
    const before = await onHost();
    for (let round = 0; round < 3; round++) {
      const nics = await attachAll();
      expect(await onHost()).toHaveLength(before.length + MANY);
      await Promise.all(nics.map((nic) => nic.detach()));
      expect(await onHost()).toEqual(before);
      for (const { name } of containers) expect(await names('-n', name, 'link')).toEqual(['lo']);
      expect(await host.listInterfaces()).toEqual([]);
    }
    await host.drained();
    expect(await host.reconcile()).toEqual([]);
  });

  it('are removed with their network, and a device that existed before is unchanged', async () => {
    await machine.node.ip('link', 'add', 'own0', 'mtu', '1400', 'type', 'veth', 'peer', 'name', 'own1');
    const before = (await onHost()).filter((name) => !/^(br-vxlan|vxlan|veth|egr)-[0-9a-f]{6}/.test(name));
    await attachAll();
    await network.attach({ device: 'own0' });
    await network.delete();
    await host.drained();
    expect(await onHost()).toEqual(before);
    const [own] = await json<{ mtu: number; master?: string; group: string }[]>(
      ...['ip', '-n', machine.node.name, '-j', 'link', 'show', 'own0'],
    );
    expect(own).toMatchObject({ mtu: 1400, group: 'default' });
    expect(own?.master).toBeUndefined();
    for (const { name } of containers) expect(await names('-n', name, 'link')).toEqual(['lo']);
  });
});
