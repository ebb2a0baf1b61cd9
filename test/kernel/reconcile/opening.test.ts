import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Host, type HostEvent, type NetworkInfo, openHost } from '../../../src/index.js';
import { keys, type NetworkRecord } from '../../../src/records/records.js';
import { openLmdbStore } from '../../../src/store/lmdb.js';
import { pidsIn, TestHost } from '../../support/host.js';
import { json, privileged, sh } from '../../support/namespaces.js';

const COUNT = 24;

/** `openHost` resolves before the networks are repaired. A call waits for its own network only. */
describe.skipIf(!privileged)('the repair in the background', () => {
  let machine: TestHost;
  let networks: NetworkInfo[];

  beforeEach(async () => {
    machine = await TestHost.create();
    const host = await machine.open();
    const create = (_: unknown, index: number) =>
      host.createNetwork({ name: `n${index}`, netblock: '172.16.0.0/24', provideDhcp: index === COUNT - 1 });
    networks = (await Promise.all(Array.from({ length: COUNT }, create))).map(({ info }) => info);
    networks.sort((left, right) => (left.uuid < right.uuid ? -1 : 1));
    await machine.close();
  });
  afterEach(async () => {
    await machine.open();
    await machine.remove();
  });

  /** Like a reboot: the namespaces of all networks are gone. */
  async function loseAll(): Promise<void> {
    for (const { uuid } of networks) {
      for (const pid of await pidsIn(uuid)) process.kill(pid, 'SIGKILL');
      await sh('ip', 'netns', 'delete', uuid);
    }
  }

  const namespaces = async () => {
    const known = new Set(networks.map(({ uuid }) => uuid));
    const names = (await json<{ name: string }[]>('ip', '-j', 'netns')).map(({ name }) => name);
    return names.filter((name) => known.has(name));
  };

  async function eventsOf(host: Host): Promise<HostEvent[]> {
    const events: HostEvent[] = [];
    for await (const event of host.events({ history: true, follow: false })) events.push(event);
    return events;
  }

  it('repairs the network of a call before the others, and the call waits for it', async () => {
    await loseAll();
    const order: string[] = [];
    const host = await openHost({ ...machine.options, onProgress: ({ network }) => order.push(network) });
    try {
      // The networks are repaired in the order of their UUIDs: without the call it would be the last.
      const last = networks[COUNT - 1] as NetworkInfo;
      const network = await host.getNetwork(last.uuid);
      const nic = await network.attach({ tap: 'vnet0' });
      expect(order).toContain(last.uuid);
      await nic.detach();
      const repairs = await host.repaired();
      expect(order).toHaveLength(COUNT);
      expect(order.indexOf(last.uuid)).toBeLessThan(COUNT - 1);
      expect(new Set(repairs.map(({ network }) => network))).toEqual(new Set(networks.map(({ uuid }) => uuid)));
      expect(await namespaces()).toHaveLength(COUNT);
      expect(await host.reconcile()).toEqual([]);
    } finally {
      await host.close();
    }
  });

  it('recovers the interrupted change of a network before a call on it', async () => {
    const [first, last] = [networks[0], networks[COUNT - 1]] as [NetworkInfo, NetworkInfo];
    for (const { uuid } of [first, last]) await write(uuid, { ...(await record(uuid)), state: 'deleting' });
    const host = await openHost(machine.options);
    try {
      // Its deletion is finished first, so the name is free, and the call creates another network.
      const again = await host.ensureNetwork({ name: last.name, netblock: '172.16.9.0/24', provideDhcp: false });
      expect(again.uuid).not.toBe(last.uuid);
      expect(await namespaces()).not.toContain(last.uuid);
      const repairs = await host.repaired();
      expect(repairs.filter(({ action }) => action === 'recover').map(({ network }) => network)).toEqual([
        first.uuid,
        last.uuid,
      ]);
      await again.delete();
    } finally {
      await host.close();
    }
  });

  it('ends when the host is closed, and the next opening continues it', async () => {
    await loseAll();
    const host = await openHost(machine.options);
    const repaired = host.repaired();
    await host.close();
    const done = new Set((await repaired).map(({ network }) => network)).size;
    expect(done).toBeLessThan(COUNT);
    expect(await namespaces()).toHaveLength(done);
    const next = await machine.open();
    expect(await namespaces()).toHaveLength(COUNT);
    expect(await next.reconcile()).toEqual([]);
  });

  it('ends when its signal is aborted, and calls go on', async () => {
    const aborter = new AbortController();
    const host = await openHost({ ...machine.options, signal: aborter.signal });
    try {
      aborter.abort(new Error('enough'));
      await expect(host.repaired()).rejects.toThrow('enough');
      await useLast(host);
      expect((await eventsOf(host)).filter(({ error }) => error !== undefined)).toEqual([]);
    } finally {
      await host.close();
    }
  });

  it('records its failure as an event if nobody waits for it, and calls go on', async () => {
    const { uuid } = networks[0] as NetworkInfo;
    const [damaged, whole] = await withoutBridge(uuid);
    await write(uuid, damaged);
    const unhandled: unknown[] = [];
    const collect = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', collect);
    const host = await openHost(machine.options);
    try {
      await useLast(host);
      await expect(host.repaired()).rejects.toThrow(TypeError);
      const failures = (await eventsOf(host)).filter(({ error }) => error !== undefined);
      expect(failures).toMatchObject([{ event: 'repair', cause: 'opening', detail: 'all networks' }]);
    } finally {
      await host.close();
      process.off('unhandledRejection', collect);
      await write(uuid, whole);
    }
    expect(unhandled).toEqual([]);
  });

  /** Attaches to the last network. */
  async function useLast(host: Host): Promise<void> {
    const network = await host.getNetwork((networks[COUNT - 1] as NetworkInfo).uuid);
    await (await network.attach({ tap: 'vnet1' })).detach();
  }

  async function record(uuid: string): Promise<NetworkRecord> {
    const store = await openLmdbStore(machine.options.stateDir as string);
    const entry = await store.get<NetworkRecord>(keys.network(uuid));
    await store.close();
    return entry?.value as NetworkRecord;
  }

  async function write(uuid: string, value: NetworkRecord): Promise<void> {
    const store = await openLmdbStore(machine.options.stateDir as string);
    await store.commit({ conditions: [], puts: [{ key: keys.network(uuid), value }], deletes: [] });
    await store.close();
  }

  /** Returns a record that cannot be planned, and the original. */
  async function withoutBridge(uuid: string): Promise<[damaged: NetworkRecord, whole: NetworkRecord]> {
    const whole = await record(uuid);
    const { bridge: _, ...rest } = whole;
    return [rest as NetworkRecord, whole];
  }
});
