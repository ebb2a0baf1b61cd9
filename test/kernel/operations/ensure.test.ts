import { fork } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type AttachOptions, type CreateNetworkOptions, DifferenceError, type Host } from '../../../src/index.js';
import { keys, type NetworkRecord } from '../../../src/records/records.js';
import { openLmdbStore } from '../../../src/store/lmdb.js';
import { compile } from '../../support/compile.js';
import { TestHost } from '../../support/host.js';
import { hasLink, ipLinks, rejection } from '../../support/kernel.js';
import { privileged, type TestNamespace } from '../../support/namespaces.js';
import type { Given, Order } from './ensure-child.js';

const PROCESSES = 4;

/** `index name` of each. */
const links = async (namespace: TestNamespace) =>
  (await ipLinks(namespace)).map(({ ifindex, ifname }) => `${ifindex} ${ifname}`);

const demo = { name: 'demo', netblock: '172.16.0.0/24', provideDhcp: false } as const;

describe.skipIf(!privileged)('ensureNetwork and ensureInterface', () => {
  let machine: TestHost;
  let host: Host;
  let guest: TestNamespace;

  beforeEach(async () => {
    machine = await TestHost.create({ deletionHalo: 0 });
    host = await machine.open();
    guest = await machine.guest();
  });
  afterEach(() => machine.remove());

  test('create an object once, and return it afterwards', async () => {
    const network = await host.ensureNetwork(demo);
    expect(network.info).toMatchObject({ ...demo, state: 'created' });
    const ways: AttachOptions[] = [{ tap: 'vnet0' }, { netns: guest.name, configure: true }];
    const nics = await Promise.all(ways.map((way) => network.ensureInterface(way)));
    const before = await links(machine.node);
    // The same namespace by its path. Options that are not given are not compared.
    const again: AttachOptions[] = [
      { tap: 'vnet0', mac: nics[0]?.info.mac?.toUpperCase() as string },
      { netns: guest.path, name: 'eth0', configure: true, address: nics[1]?.info.address as string },
    ];
    const second = await machine.open();
    const found = await second.ensureNetwork({ name: 'demo', netblock: '172.16.0.0/24', metadata: { a: 1 } });
    expect(found.uuid).toBe(network.uuid);
    for (const [index, way] of again.entries()) {
      expect((await found.ensureInterface(way)).uuid).toBe(nics[index]?.uuid);
    }
    expect(await links(machine.node)).toEqual(before);
    await nics[0]?.detach();
    expect((await found.ensureInterface({ tap: 'vnet0' })).uuid).not.toBe(nics[0]?.uuid);
  });

  test('reject an option that differs, and change nothing', async () => {
    const network = await host.ensureNetwork(demo);
    const other = await host.ensureNetwork({ ...demo, name: 'other', netblock: '172.17.0.0/24' });
    const options = { address: '172.16.0.2', hostname: 'one', antiSpoofing: false };
    const nic = await network.ensureInterface({ netns: guest.name, ...options });
    await network.ensureInterface({ tap: 'vnet0', owner: 5 });
    const before = [await host.listNetworks(), await host.listInterfaces(), await links(machine.node)];
    const networks: [string, Partial<CreateNetworkOptions>][] = [
      ['netblock', { netblock: '172.18.0.0/24' }],
      ['provideDhcp', { provideDhcp: true }],
      ['provideNat', { provideNat: false }],
      ['provideDns', { provideDns: true }],
      ['vni', { vni: network.info.vni === 5 ? 6 : 5 }],
      ['mtu', { mtu: 1400 }],
      ['floatingGateway', { floatingGateway: other.info.floatingGateway as string }],
      ['name', { name: 'another', uuid: network.uuid }],
    ];
    for (const [field, change] of networks) {
      const error = await rejection(host.ensureNetwork({ ...demo, ...change }));
      expect(error, field).toBeInstanceOf(DifferenceError);
      expect(error).toMatchObject({
        code: 'ERR_VETHWORK_CONFLICT',
        field,
        wanted: change[field as keyof typeof change],
      });
      expect(String(error)).toContain(network.uuid);
    }
    const place = { netns: guest.name };
    const interfaces: [string, AttachOptions][] = [
      ['address', { ...place, address: '172.16.0.250' }],
      ['mac', { ...place, mac: '02:00:00:00:00:99' }],
      ['hostname', { ...place, hostname: 'two' }],
      ['configure', { ...place, configure: true }],
      ['order', { ...place, order: 7 }],
      ['antiSpoofing', { ...place, antiSpoofing: true }],
      ['owner', { tap: 'vnet0', owner: 6 }],
      ['multiQueue', { tap: 'vnet0', multiQueue: true }],
      ['device', { device: 'vnet0' }],
    ];
    for (const [field, options] of interfaces) {
      expect(await rejection(network.ensureInterface(options)), field).toMatchObject({
        name: 'DifferenceError',
        field,
      });
    }
    const elsewhere = { name: 'DifferenceError', field: 'network', actual: network.uuid, wanted: other.uuid };
    expect(await rejection(other.ensureInterface({ tap: 'vnet0' }))).toMatchObject(elsewhere);
    expect(await rejection(other.ensureInterface(place))).toMatchObject(elsewhere);
    expect(await rejection(network.ensureInterface({ tap: 'a/b' }))).toMatchObject({
      code: 'ERR_VETHWORK_VALIDATION',
      field: 'tap',
    });
    expect([await host.listNetworks(), await host.listInterfaces(), await links(machine.node)]).toEqual(before);
    expect((await nic.refresh()).hostname).toBe('one');
  });

  test('create one object in concurrent calls of several processes, which all return it', async () => {
    const { script, folder } = await compile('test/kernel/operations/ensure-child.ts');
    const children = Array.from({ length: PROCESSES }, () => fork(script, { stdio: ['ignore', 2, 2, 'ipc'] }));
    await Promise.all(children.map((child) => once(child, 'message')));
    const answers = children.map(async (child) => {
      const order: Order = { options: machine.options, netns: guest.name };
      const answer = once(child, 'message');
      const ended = once(child, 'exit');
      child.send(order);
      const [given] = (await Promise.race([answer, ended.then(([code]) => [code])])) as [Given];
      expect(await ended).toEqual([0, null]);
      return given;
    });
    // This process calls it twice as well.
    const here = async (): Promise<Given> => {
      const network = await host.ensureNetwork({ name: 'shared', netblock: '172.16.0.0/24' });
      const nics = [
        await network.ensureInterface({ tap: 'vnet0' }),
        await network.ensureInterface({ netns: guest.name, configure: true }),
      ];
      return { network: network.uuid, interfaces: nics.map(({ uuid }) => uuid) };
    };
    const all = await Promise.all([...answers, here(), here()]);
    await rm(folder, { recursive: true, force: true });
    for (const given of all) expect(given).toEqual(all[0]);
    expect(await host.listNetworks()).toHaveLength(1);
    expect(await host.listInterfaces()).toHaveLength(2);
    expect((await links(guest)).map((each) => each.split(' ')[1])).toEqual(['lo', 'eth0']);
  });

  test('reject at the abort of the signal while they wait for another call', async () => {
    const network = await host.createNetwork(demo);
    const removal = network.delete();
    const reason = new Error('enough');
    const waiting = host.ensureNetwork({ ...demo, signal: AbortSignal.abort(reason) });
    expect(await rejection(waiting)).toBe(reason);
    await removal;
  });
});

describe.skipIf(!privileged)('the name of a network', () => {
  let machine: TestHost;

  beforeEach(async () => {
    machine = await TestHost.create({ deletionHalo: 0 });
  });
  afterEach(() => machine.remove());

  test('is unique within its tenant, until the network is deleted', async () => {
    const host = await machine.open();
    const first = await host.createNetwork(demo);
    const before = await links(machine.node);
    const taken = {
      code: 'ERR_VETHWORK_CONFLICT',
      message: `network ${first.uuid} of tenant system is named demo already`,
    };
    expect(await rejection(host.createNetwork({ ...demo, netblock: '172.17.0.0/24' }))).toMatchObject(taken);
    expect(await links(machine.node)).toEqual(before);
    // The name can have any length. Another tenant can have the same name.
    const long = { ...demo, name: 'ü'.repeat(127), tenant: 'ö'.repeat(127) };
    await host.createNetwork(long);
    expect(await rejection(host.createNetwork(long))).toMatchObject({ code: 'ERR_VETHWORK_CONFLICT' });
    const theirs = await host.createNetwork({ ...demo, tenant: 'other' });
    expect((await host.ensureNetwork({ ...demo, tenant: 'other' })).uuid).toBe(theirs.uuid);
    expect((await host.ensureNetwork(demo)).uuid).toBe(first.uuid);
    await first.delete();
    expect((await host.createNetwork(demo)).uuid).not.toBe(first.uuid);
  });

  test('that several networks have in the state of an earlier version is kept, and not given to others', async () => {
    const first = await machine.open();
    const [one, two] = [await first.createNetwork(demo), await first.createNetwork({ ...demo, name: 'second' })];
    await one.attach({ tap: 'vnet0' });
    await machine.close();
    // The state as an earlier version wrote it: without the indexes of names and places.
    const store = await openLmdbStore(machine.options.stateDir);
    const second = (await store.get<NetworkRecord>(keys.network(two.uuid)))?.value as NetworkRecord;
    const index = (await store.list('')).map(({ key }) => key).filter((key) => /^(name|place)\/|^schema$/.test(key));
    expect(index.length).toBeGreaterThanOrEqual(3);
    const puts = [{ key: keys.network(two.uuid), value: { ...second, name: 'demo' } }];
    await store.commit({ conditions: [], puts, deletes: index });
    await store.close();

    const host = await machine.open();
    expect((await host.listNetworks()).map(({ name }) => name)).toEqual(['demo', 'demo']);
    expect(await hasLink(machine.node, 'vnet0')).toBe(true);
    expect(await rejection(host.createNetwork(demo))).toMatchObject({ code: 'ERR_VETHWORK_CONFLICT' });
    const unclear = {
      code: 'ERR_VETHWORK_CONFLICT',
      message: expect.stringContaining('2 networks of tenant system are named demo'),
    };
    expect(await rejection(host.ensureNetwork(demo))).toMatchObject(unclear);
    expect((await host.ensureNetwork({ ...demo, uuid: two.uuid })).uuid).toBe(two.uuid);
    await (await host.getNetwork(one.uuid)).delete();
    expect(await rejection(host.createNetwork(demo))).toMatchObject({ code: 'ERR_VETHWORK_CONFLICT' });
    expect((await host.ensureNetwork(demo)).uuid).toBe(two.uuid);
  });
});
