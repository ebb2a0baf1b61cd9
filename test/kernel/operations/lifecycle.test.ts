import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AttachOptions, CreateNetworkOptions, Host, Network } from '../../../src/index.js';
import { pidsIn, TestHost } from '../../support/host.js';
import { eventually, json, privileged, sh, TestNamespace } from '../../support/namespaces.js';
import { processes } from '../../support/processes.js';

interface IpLink {
  ifname: string;
  mtu: number;
  address: string;
  master?: string;
  operstate: string;
  flags: string[];
}

/** What a caller cares about. */
function lookOf(link: IpLink | undefined): Omit<IpLink, 'ifname'> | undefined {
  return (
    link && {
      mtu: link.mtu,
      address: link.address,
      operstate: link.operstate,
      flags: link.flags,
      ...(link.master && { master: link.master }),
    }
  );
}

describe.skipIf(!privileged)('the lifecycle of networks and interfaces', () => {
  let machine: TestHost;
  let host: Host;
  let network: Network;
  let guest: TestNamespace;

  beforeAll(async () => {
    machine = await TestHost.create();
    host = await machine.open();
    network = await host.createNetwork({
      name: 'demo',
      netblock: '172.16.0.0/24',
      floatingGateway: '192.168.15.6',
    });
    guest = await machine.guest();
  });
  afterAll(() => machine.remove());

  const links = () => json<IpLink[]>('ip', '-j', '-n', machine.node.name, 'link');
  const link = async (name: string) => lookOf((await links()).find(({ ifname }) => ifname === name));
  const names = async (namespace: string) =>
    (await json<IpLink[]>('ip', '-j', '-n', namespace, 'link')).map(({ ifname }) => ifname).sort();
  /** Everything of the host that a call can change. */
  const picture = async () => ({
    links: await names(machine.node.name),
    guest: await names(guest.name),
    namespaces: (await sh('ip', 'netns')).includes(network.uuid),
    networks: await host.listNetworks(),
    interfaces: await host.listInterfaces(),
    addresses: (await network.listAddresses()).filter(({ use }) => use !== 'halo'),
    floating: (await host.refresh()).floatingAddresses,
  });

  const wrong = (field: string) => ({ name: 'ValidationError', field });
  test.each<[expected: object, options: object]>([
    [wrong('tap'), { tap: 'a/b' }],
    [wrong('tap'), { tap: 'sixteen-bytes-xx' }],
    [wrong('options'), { tap: 'tap1', device: 'eth0' }],
    [wrong('options'), {}],
    [wrong('mac'), { tap: 'tap1', mac: '01:00:00:00:00:01' }],
    [wrong('address'), { tap: 'tap1', address: '10.9.9.9' }],
    [wrong('address'), { tap: 'tap1', address: '172.16.0.1' }],
    [wrong('surprise'), { tap: 'tap1', surprise: 1 }],
    [wrong('netns'), { netns: 'no-such-namespace' }],
    [wrong('netns'), { netns: '/etc/passwd' }],
    [{ name: 'NotFoundError' }, { device: 'no-such-link' }],
    [{ name: 'KernelError' }, { tap: 'eth0' }],
    [wrong('name'), { netns: 'GUEST', name: 'lo' }],
  ])('a failed attach (%j) changes nothing: %j', async (expected, options) => {
    const before = await picture();
    const filled = 'netns' in options && options.netns === 'GUEST' ? { ...options, netns: guest.name } : options;
    await expect(network.attach(filled as AttachOptions)).rejects.toMatchObject(expected);
    await host.drained();
    expect(await picture()).toEqual(before);
  });

  test('names, addresses and MACs in use are rejected', async () => {
    const nic = await network.attach({ tap: 'tap1' });
    const before = await picture();
    const { address, mac } = nic.info;
    for (const options of [{ tap: 'tap1' }, { tap: 'tap2', address }, { tap: 'tap2', mac }]) {
      await expect(network.attach(options)).rejects.toMatchObject({ name: 'ConflictError' });
    }
    await expect(network.attach({ device: 'tap1' })).rejects.toMatchObject({
      name: 'ValidationError',
      field: 'device',
    });
    expect(await picture()).toEqual(before);
    await expect(host.teardown()).rejects.toMatchObject({ name: 'ConflictError' });
    await nic.detach();
    await expect(network.attach({ tap: 'tap2', address })).rejects.toThrow('reserved until');
    await nic.detach();
  });

  test('interface indexes of foreign links are skipped', async () => {
    await using guest = await TestNamespace.create('guest');
    const indexOf = async (name: string) =>
      (await json<{ ifindex: number }[]>('ip', '-n', guest.name, '-j', 'link', 'show', 'dev', name))[0]
        ?.ifindex as number;
    const first = await network.attach({ netns: guest.path, name: 'one' });
    const index = await indexOf('one');
    for (const n of [2, 4]) await guest.ip('link', 'add', `b${n}`, 'index', String(index + n), 'type', 'bridge');
    const second = await network.attach({ netns: guest.path, name: 'two' });
    expect(await indexOf('two')).toBe(index + 6);
    await Promise.all([first.detach(), second.detach()]);
    await host.drained();
  });

  test('a failed createNetwork leaves nothing behind: a foreign namespace has its name', async () => {
    await using foreign = await TestNamespace.create(crypto.randomUUID(), { exact: true });
    const before = await picture();
    await expect(host.createNetwork({ name: 'x', netblock: '10.1.0.0/24', uuid: foreign.name })).rejects.toMatchObject({
      name: 'ConflictError',
    });
    await expect(host.createNetwork({ name: 'x', netblock: '192.168.0.0/16' })).rejects.toMatchObject({
      name: 'ValidationError',
      field: 'netblock',
    });
    expect(await picture()).toEqual(before);
    expect(await names(foreign.name)).toEqual(['lo']);
  });

  test('a floating gateway can be chosen', async () => {
    const floatingGateway = '192.168.15.7';
    const options = { name: 'fixed', netblock: '10.1.0.0/24', floatingGateway };
    const fixed = await host.createNetwork(options);
    expect(fixed.info).toMatchObject({ floatingGateway });
    const device = `egr-${fixed.info.vni.toString(16).padStart(6, '0')}-i`;
    expect(await sh('ip', '-n', fixed.uuid, '-br', 'address', 'show', device)).toContain(`${floatingGateway}/24`);

    const before = await picture();
    const refused = async (changes: Partial<CreateNetworkOptions>, expected: object) =>
      expect(host.createNetwork({ ...options, name: 'another', ...changes })).rejects.toMatchObject(expected);
    await refused({}, { name: 'ConflictError', message: expect.stringContaining(floatingGateway) });
    const wrong = { name: 'ValidationError', field: 'floatingGateway' };
    for (const address of ['10.1.0.7', '192.168.15.0', '192.168.15.1', '192.168.15.256']) {
      await refused({ floatingGateway: address }, wrong);
    }
    await refused({ provideNat: false, floatingGateway: '192.168.15.8' }, wrong);
    expect(await picture()).toEqual(before);
    await fixed.delete();
    await host.drained();
  });

  test('an aborted call leaves nothing behind', async () => {
    const before = await picture();
    const signal = AbortSignal.abort();
    await expect(host.createNetwork({ name: 'x', netblock: '10.1.0.0/24', signal })).rejects.toMatchObject({
      name: 'AbortError',
    });
    await expect(network.attach({ tap: 'tap1', signal })).rejects.toMatchObject({ name: 'AbortError' });
    await host.drained();
    expect(await picture()).toEqual(before);
  });

  test.each([
    ['when its reservation is written', 'tracing:vethwork:store:asyncEnd'],
    ['when its links are begun', 'tracing:vethwork:kernel:start'],
    ['when its links are made', 'tracing:vethwork:kernel:asyncEnd'],
  ])('an attach and a network that are aborted %s leave nothing behind', async (_when, channel) => {
    const before = await picture();
    const mtu = 1400;
    const calls: ((signal: AbortSignal) => Promise<unknown>)[] = [
      (signal) => network.attach({ tap: 'tap1', signal }),
      (signal) => host.createNetwork({ name: 'x', netblock: '10.1.0.0/24', mtu, provideDhcp: false, signal }),
    ];
    for (const call of calls) {
      const controller = new AbortController();
      const isIt = /"(tap\.add|namespace\.add)"|"state":"initial"/;
      const abort = (trace: unknown) => {
        const { operations, commit } = trace as { operations?: unknown; commit?: unknown };
        if (isIt.test(JSON.stringify(operations ?? commit ?? ''))) controller.abort();
      };
      subscribe(channel, abort);
      try {
        await expect(call(controller.signal)).rejects.toMatchObject({ name: 'AbortError' });
      } finally {
        unsubscribe(channel, abort);
      }
      await host.drained();
      expect(await picture()).toEqual(before);
    }
  });

  test('a call that waits for another call on its network rejects at once when it is aborted', async () => {
    const doomed = await host.createNetwork({ name: 'doomed', netblock: '172.30.0.0/24', provideDhcp: false });
    const removal = doomed.delete();
    const controller = new AbortController();
    const attaching = doomed.attach({ tap: 'late', signal: controller.signal });
    // Positive control: without the abort, the call waits and finds no network.
    controller.abort(new Error('enough'));
    await expect(attaching).rejects.toThrow('enough');
    await removal;
    await host.drained();
  });

  test('most of a hundred aborted attaches have not started, and none leaves anything behind', async () => {
    const before = await picture();
    const quiet = { name: 'quiet', netblock: '172.31.0.0/24', provideDhcp: false, provideDns: false };
    const network = await host.createNetwork(quiet);
    const controller = new AbortController();
    const attaching = Array.from({ length: 100 }, (_, number) =>
      network.attach({ tap: `tap${number}`, signal: controller.signal }),
    );
    await Promise.any(attaching);
    controller.abort(new Error('enough'));
    expect((await host.listInterfaces()).length).toBeLessThan(70);
    const ended = await Promise.allSettled(attaching);
    const refused = ended.flatMap((each) => (each.status === 'rejected' ? [each.reason.message] : []));
    expect(refused.length).toBeGreaterThan(50);
    expect(new Set(refused)).toEqual(new Set(['enough']));
    await Promise.all(ended.map((each) => (each.status === 'fulfilled' ? each.value.detach() : undefined)));
    await network.delete();
    await host.drained();
    expect(await picture()).toEqual(before);
  });

  test('a device gets its settings back', async () => {
    await machine.node.ip('link', 'add', 'dev0', 'mtu', '1400', 'type', 'veth', 'peer', 'name', 'dev1');
    const before = await link('dev0');
    const nic = await network.attach({ device: 'dev0' });
    expect(await link('dev0')).toMatchObject({ mtu: 8900, master: expect.stringMatching(/^br-vxlan-/) });
    expect((await link('dev0'))?.flags).toContain('UP');
    await nic.detach();
    expect(await link('dev0')).toEqual(before);
    await machine.node.ip('link', 'delete', 'dev0');
  });

  test('names are free at once, and MAC and MTU of the bridge are constant, over fifty attachments', async () => {
    const bridge = `br-vxlan-${network.info.vni.toString(16).padStart(6, '0')}`;
    const before = await link(bridge);
    for (let round = 0; round < 25; round++) {
      const [tap, veth] = await Promise.all([
        network.attach({ tap: 'tap1' }),
        network.attach({ netns: guest.name, name: 'eth5' }),
      ]);
      await Promise.all([tap.detach(), veth.detach()]);
    }
    expect(await link(bridge)).toEqual(before);
    await host.drained();
    expect(await names(guest.name)).toEqual(['lo']);
    expect((await links()).filter(({ ifname }) => ifname.startsWith('dead'))).toEqual([]);
  });

  test('concurrent attaches succeed', async () => {
    const before = await picture();
    const nics = await Promise.all(Array.from({ length: 40 }, (_, index) => network.attach({ tap: `many${index}` })));
    expect(new Set(nics.map(({ info }) => info.address)).size).toBe(40);
    await Promise.all(nics.map((nic) => nic.detach()));
    await host.drained();
    expect(await picture()).toEqual(before);
  });

  test('one network is created a hundred times without a pause', async () => {
    const same = { name: 'again', netblock: '10.3.0.0/24', uuid: crypto.randomUUID(), vni: 77, provideDhcp: false };
    for (let round = 0; round < 100; round++) await (await host.createNetwork(same)).delete();
    await host.drained();
    expect(await names(machine.node.name)).not.toContain('vxlan-00004d');
    expect(await sh('ip', 'netns')).not.toContain(same.uuid);
  });

  test('concurrent deletions all succeed, with dnsmasq and interfaces', async () => {
    const before = await picture();
    const doomed = await host.createNetwork({ name: 'doomed', netblock: '10.4.0.0/24', provideDns: true });
    const nic = await doomed.attach({ tap: 'tap4' });
    await nic.float();
    await doomed.routeAddress();
    expect(await pidsIn(doomed.uuid)).not.toEqual([]);
    expect(await processes(doomed.uuid)).not.toEqual([]);
    const second = await (await machine.open()).getNetwork(doomed.uuid);
    await Promise.all([doomed.delete(), doomed.delete(), second.delete()]);
    await host.drained();
    expect(await picture()).toEqual(before);
    expect(await processes(doomed.uuid)).toEqual([]);
  });

  test('a network whose namespace was deleted can be deleted', async () => {
    const before = await picture();
    const victim = await host.createNetwork({ name: 'victim', netblock: '10.5.0.0/24' });
    await victim.attach({ tap: 'tap5' });
    for (const pid of await pidsIn(victim.uuid)) process.kill(pid, 'SIGKILL');
    await sh('ip', 'netns', 'delete', victim.uuid);
    await victim.delete();
    await host.drained();
    expect(await picture()).toEqual(before);
  });

  test('an interface whose container is gone can be detached', async () => {
    const gone = await TestNamespace.create('gone');
    const nic = await network.attach({ netns: gone.name, configure: true });
    await gone.remove();
    await eventually(async () => (await link(nic.info.device)) === undefined);
    await nic.detach();
    expect((await network.listInterfaces()).map(({ uuid }) => uuid)).not.toContain(nic.uuid);
  });

  test('a network without NAT has no way out and no floating addresses', async () => {
    const inner = await host.createNetwork({ name: 'inner', netblock: '10.6.0.0/24', provideNat: false });
    const nic = await inner.attach({ netns: guest.name, configure: true });
    expect(inner.info.floatingGateway).toBeUndefined();
    const routes = await guest.ip('route');
    expect(routes).toContain('10.6.0.0/24');
    expect(routes).not.toContain('default');
    expect(await names(inner.uuid)).toEqual(['lo', expect.stringMatching(/^veth-.*-i$/)]);
    await expect(nic.float()).rejects.toMatchObject({ name: 'ConflictError' });
    await expect(inner.routeAddress()).rejects.toMatchObject({ name: 'ConflictError' });
    await inner.delete();
  });

  test('a second host with the same state must have the same settings', async () => {
    await expect(machine.open({ floatingNetwork: '192.168.16.0/24' })).rejects.toMatchObject({ name: 'ConflictError' });
    await expect(machine.open({ egressNic: 'nope' })).rejects.toMatchObject({ name: 'ConflictError' });
    await expect(machine.open({ netns: 'no-such-namespace' })).rejects.toMatchObject({ name: 'ValidationError' });
  });

  test('metadata is stored and replaced', async () => {
    await network.setMetadata({ team: 'blue' });
    expect((await (await host.getNetwork('demo')).refresh()).metadata).toEqual({ team: 'blue' });
    const nic = await network.attach({ tap: 'tap1', metadata: { disk: 1 } });
    await nic.setMetadata({ disk: 2 });
    expect((await host.getInterface('tap1')).info.metadata).toEqual({ disk: 2 });
    await nic.detach();
  });
});
