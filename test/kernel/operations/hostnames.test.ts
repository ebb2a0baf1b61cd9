import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Host, Network } from '../../../src/index.js';
import { type InterfaceRecord, keys, type NetworkRecord } from '../../../src/records/records.js';
import { openLmdbStore } from '../../../src/store/lmdb.js';
import { TestHost } from '../../support/host.js';
import { rejection } from '../../support/kernel.js';
import { privileged } from '../../support/namespaces.js';

describe.skipIf(!privileged)('the host name of an interface', () => {
  let machine: TestHost;
  let host: Host;
  let network: Network;

  beforeEach(async () => {
    machine = await TestHost.create({ deletionHalo: 0 });
    host = await machine.open();
    network = await host.createNetwork({ name: 'demo', netblock: '172.16.0.0/24', provideDns: true });
  });
  afterEach(() => machine.remove());

  const takenBy = (uuid: string) => ({
    code: 'ERR_VETHWORK_CONFLICT',
    message: `the host name web is in use in network ${network.uuid} by interface ${uuid}`,
  });

  test('is unique within its network until the interface is detached, without regard to case', async () => {
    const guest = await machine.guest();
    const first = await network.attach({ netns: guest.name, configure: true, hostname: 'Web' });
    const lookUp = async () => (await guest.run('dig', '+short', '@172.16.0.1', 'web.vethwork.internal')).trim();
    expect(await lookUp()).toBe(first.info.address);
    const before = await host.listInterfaces();
    for (const hostname of ['web', 'WEB']) {
      expect(await rejection(network.attach({ tap: 'vnet0', hostname }))).toMatchObject(takenBy(first.uuid));
      expect(await rejection(network.ensureInterface({ tap: 'vnet0', hostname }))).toMatchObject(takenBy(first.uuid));
    }
    expect(await host.listInterfaces()).toEqual(before);
    // Positive controls: another name, no name, another network, and the same interface.
    await network.attach({ tap: 'vnet0', hostname: 'web2' });
    for (const tap of ['vnet1', 'vnet2']) await network.attach({ tap });
    const other = await host.createNetwork({ name: 'other', netblock: '172.17.0.0/24' });
    await other.attach({ tap: 'vnet3', hostname: 'web' });
    const place = { netns: guest.name, hostname: 'web' };
    expect((await network.ensureInterface(place)).uuid).toBe(first.uuid);
    expect(await lookUp()).toBe(first.info.address);
    await first.detach();
    const next = await network.attach({ netns: guest.name, configure: true, hostname: 'web' });
    expect(await lookUp()).toBe(next.info.address);
  });

  test('is given to one of several concurrent calls, and is free after a failed one', async () => {
    const taps = ['vnet0', 'vnet1', 'vnet2', 'vnet3'];
    const second = await machine.open();
    const same = await second.getNetwork(network.uuid);
    const calls = taps.map((tap, index) => (index % 2 ? network : same).attach({ tap, hostname: 'web' }));
    const results = await Promise.allSettled(calls);
    const [winner, ...others] = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    expect(others).toEqual([]);
    for (const result of results)
      if (result.status === 'rejected') expect(result.reason).toMatchObject(takenBy(winner?.uuid ?? ''));
    await winner?.detach();
    const used = await network.attach({ tap: 'vnet0' });
    const { address } = used.info;
    expect(await rejection(network.attach({ tap: 'vnet1', hostname: 'web', address }))).toMatchObject({
      code: 'ERR_VETHWORK_CONFLICT',
      message: expect.stringContaining(address),
    });
    await network.attach({ tap: 'vnet1', hostname: 'web' });
  });

  test('cannot be localhost', async () => {
    for (const hostname of ['localhost', 'LocalHost']) {
      expect(await rejection(network.attach({ tap: 'vnet0', hostname }))).toMatchObject({
        code: 'ERR_VETHWORK_VALIDATION',
        field: 'hostname',
      });
    }
    await network.attach({ tap: 'vnet0', hostname: 'localhost2' });
  });

  test('that several interfaces have in the state of an earlier version is kept, and not given to others', async () => {
    const [one, two] = [
      await network.attach({ tap: 'vnet0', hostname: 'web' }),
      await network.attach({ tap: 'vnet1', hostname: 'db' }),
    ];
    await machine.close();
    // The state as an earlier version wrote it: without the index of host names.
    const store = await openLmdbStore(machine.options.stateDir);
    const record = (await store.get<NetworkRecord>(keys.network(network.uuid)))?.value as NetworkRecord;
    const nic = (await store.get<InterfaceRecord>(keys.interface(two.uuid)))?.value as InterfaceRecord;
    const { hasHostnameIndex, ...earlier } = record;
    expect(hasHostnameIndex).toBe(true);
    const deletes = ['web', 'db'].map((name) => keys.hostname(network.uuid, name));
    const puts = [
      { key: keys.network(network.uuid), value: earlier },
      { key: keys.interface(two.uuid), value: { ...nic, hostname: 'web' } },
    ];
    await store.commit({ conditions: [], puts, deletes });
    await store.close();
    host = await machine.open();
    network = await host.getNetwork(network.uuid);
    const attach = () => network.attach({ tap: 'vnet2', hostname: 'web' });
    expect(await rejection(attach())).toMatchObject({ message: expect.stringMatching(/host name web is in use/) });
    await (await host.getInterface(one.uuid)).detach();
    expect(await rejection(attach())).toMatchObject(takenBy(two.uuid));
    await (await host.getInterface(two.uuid)).detach();
    const third = await attach();
    expect(await rejection(network.attach({ tap: 'vnet3', hostname: 'web' }))).toMatchObject(takenBy(third.uuid));
  });
});
