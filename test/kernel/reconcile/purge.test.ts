import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runtimeRoot } from '../../../src/dnsmasq/index.js';
import { type Host, openHost } from '../../../src/index.js';
import { openLmdbStore } from '../../../src/store/lmdb.js';
import { attempt } from '../../support/attempt.js';
import { cli } from '../../support/cli.js';
import { pings, TestHost } from '../../support/host.js';
import { hasLink, ipLinks, rejection } from '../../support/kernel.js';
import { privileged, TestNamespace } from '../../support/namespaces.js';
import { processes } from '../../support/processes.js';

const demo = { name: 'demo', netblock: '172.16.0.0/24' } as const;

/** The ruleset without counters and handles. */
async function ruleset(namespace: TestNamespace): Promise<string> {
  const { exitCode, stdout } = await attempt('ip', 'netns', 'exec', namespace.name, 'nft', '-s', 'list', 'ruleset');
  expect(exitCode).toBe(0);
  return stdout;
}

/** Links and ruleset, without states that change by themselves. */
const picture = async (namespace: TestNamespace) => [
  (await ipLinks(namespace)).map(({ ifindex, ifname, ifalias, group, master, mtu }) => [
    ...[ifindex, ifname, ifalias, group, master, mtu],
  ]),
  await ruleset(namespace),
];

const isPinned = async (name: string) => (await attempt('test', '-e', `/run/netns/${name}`)).exitCode === 0;

describe.skipIf(!privileged)('a namespace that another state folder serves', () => {
  let machine: TestHost;
  let others: string[];

  beforeEach(async () => {
    machine = await TestHost.create({ deletionHalo: 0 });
    others = [];
  });
  afterEach(async () => {
    await machine.remove();
    for (const folder of others) await rm(folder, { recursive: true, force: true });
  });

  const another = () => {
    const state = `${machine.options.stateDir}-${others.length}`;
    others.push(state);
    return state;
  };
  const conflict = (text: RegExp) => ({ code: 'ERR_VETHWORK_CONFLICT', message: expect.stringMatching(text) });

  test('is rejected before anything is changed, and accepted with its own folder', async () => {
    const host = await machine.open();
    await (await host.createNetwork(demo)).attach({ tap: 'vnet0' });
    const before = await picture(machine.node);
    const state = another();
    const text = new RegExp(
      `^the egress bridge egr-br-eth0 \\(index \\d+\\) is not recorded in ${state}: ` +
        `process ${process.pid} \\(.*\\) has the state folder ${machine.options.stateDir} open. Use that state folder$`,
    );
    expect(await rejection(openHost({ ...machine.options, stateDir: state }))).toMatchObject(conflict(text));
    // With another NIC and another bridge, too.
    await machine.node.ip('link', 'add', 'eth1', 'type', 'bridge');
    const second = { egressNic: 'eth1', floatingNetwork: '192.168.16.0/24' };
    expect(await rejection(openHost({ ...machine.options, ...second, stateDir: state }))).toMatchObject(conflict(text));
    await machine.node.ip('link', 'delete', 'eth1');
    expect(await picture(machine.node)).toEqual(before);
    expect((await attempt('test', '-e', state)).exitCode).toBe(1);
    expect(await (await machine.open()).listNetworks()).toHaveLength(1);
  });

  test('is rejected if only an nftables table is left', async () => {
    await machine.open();
    await machine.close();
    for (const { ifname, ifalias } of await ipLinks(machine.node)) {
      if (ifalias !== undefined) await machine.node.ip('link', 'delete', ifname);
    }
    const opening = openHost({ ...machine.options, stateDir: another() });
    expect(await rejection(opening)).toMatchObject(conflict(/^the nftables table \w+ vethwork\w* is not recorded in /));
    await machine.open();
  });

  test('is rejected with a folder that served it before', async () => {
    await machine.open();
    await machine.close();
    const purge = () => cli('purge', '--yes', '--state-dir', '/nonexistent', '--host-netns', machine.node.name);
    const { stateDir } = machine.options;
    expect(await purge()).toMatchObject({ exitCode: 1, err: expect.stringContaining(`is recorded in ${stateDir}`) });
    expect(await hasLink(machine.node, 'egr-br-eth0')).toBe(true);
    await rename(stateDir, `${stateDir}-away`);
    expect((await purge()).exitCode).toBe(0);
    await rename(`${stateDir}-away`, stateDir);
    const state = another();
    const second = await openHost({ ...machine.options, stateDir: state });
    expect(await rejection(openHost(machine.options))).toMatchObject(conflict(/^the egress bridge egr-br-eth0 /));
    await second.teardown();
    await second.close();
    await machine.open();
  });
  test('can be opened concurrently with one new store', async () => {
    const state = another();
    const stores = await Promise.all(Array.from({ length: 6 }, () => openLmdbStore(state)));
    expect(new Set(stores.map(({ presence }) => presence.id)).size).toBe(6);
    for (const store of stores) await store.close();
    await machine.open();
  });

  test('is opened concurrently, and set up by one process', async () => {
    const hosts = await Promise.all(Array.from({ length: 6 }, () => machine.open()));
    for (const host of hosts) expect(await host.reconcile()).toEqual([]);
    const [network] = await Promise.all(
      hosts.map((host) => host.ensureNetwork({ name: 'demo', netblock: '172.16.0.0/24', provideDhcp: false })),
    );
    expect(await hosts[5]?.listNetworks()).toMatchObject([{ uuid: network?.uuid }]);
  });
});

describe.skipIf(!privileged)('a lost state folder', () => {
  let machine: TestHost;
  let neighbour: TestHost;
  let container: TestNamespace;
  let stranger: TestNamespace;
  let before: unknown;
  let theirs: Host;

  beforeEach(async () => {
    machine = await TestHost.create({ deletionHalo: 0 });
    neighbour = await TestHost.create({ deletionHalo: 0 });
    theirs = await neighbour.open();
    container = await machine.guest();
    stranger = await TestNamespace.create('stranger');
    const { node } = machine;
    // Foreign objects with similar names, aliases and tables.
    await node.ip('link', 'add', 'device0', 'type', 'veth', 'peer', 'name', 'device1');
    await node.ip('link', 'add', 'br-vxlan-000009', 'type', 'bridge');
    await node.ip('link', 'set', 'br-vxlan-000009', 'alias', `vethwork ${randomUUID()}`);
    await node.ip('link', 'add', 'other', 'type', 'bridge');
    await node.ip('link', 'set', 'other', 'alias', 'vethwork', 'group', '7');
    await attempt('ip', 'netns', 'exec', node.name, 'nft', 'add table ip vethwork2; add table inet vethwork');
  });
  afterEach(async () => {
    await neighbour.remove();
    await machine.remove();
    await stranger.remove();
  });

  /** Makes a host with all that it can have, and loses its state. */
  async function lose() {
    before = await picture(machine.node);
    const host = await machine.open({ outboundNat: true });
    const first = await host.createNetwork({ ...demo, provideDns: true });
    const second = await host.createNetwork({ ...demo, name: 'second', provideDhcp: false, provideNat: false });
    const nic = await first.attach({ netns: container.name, configure: true });
    await nic.float();
    await first.attach({ tap: 'vnet0' });
    await second.attach({ device: 'device0' });
    await first.routeAddress();
    const root = await runtimeRoot(machine.options.stateDir);
    await machine.close();
    await rm(machine.options.stateDir, { recursive: true });
    await mkdir(machine.options.stateDir);
    return { first: first.uuid, second: second.uuid, root };
  }

  const purge = (...flags: string[]) =>
    cli('purge', '--state-dir', machine.options.stateDir, '--host-netns', machine.node.name, ...flags);

  test('is named in the error; purge lists and removes all that vethwork created, and nothing else', async () => {
    const network = await theirs.createNetwork({ ...demo, netblock: '172.17.0.0/24' });
    const lost = await lose();
    const error = await rejection(openHost(machine.options));
    expect(error).toMatchObject({ code: 'ERR_VETHWORK_CONFLICT', message: expect.stringContaining('vethwork purge') });
    const made = await picture(machine.node);
    const [neighbours, elsewhere] = [await picture(neighbour.node), await picture(stranger)];
    const { out, exitCode } = await purge('--dry-run', '--json');
    expect(exitCode).toBe(0);
    const { dryRun, leftovers } = JSON.parse(out);
    expect(dryRun).toBe(true);
    expect(leftovers).toEqual(
      expect.arrayContaining([
        { kind: 'dnsmasq', name: lost.root, network: lost.first, action: 'remove' },
        { kind: 'namespace', name: lost.first, network: lost.first, action: 'remove' },
        { kind: 'namespace', name: lost.second, network: lost.second, action: 'remove' },
        { kind: 'device', name: 'device0', network: lost.second, action: 'release' },
        { kind: 'link', name: 'vnet0', network: lost.first, action: 'remove' },
        { kind: 'link', name: 'egr-br-eth0', action: 'remove' },
        { kind: 'table', name: 'ip vethwork', action: 'remove' },
      ]),
    );
    expect(await picture(machine.node)).toEqual(made);
    expect(await processes(`conf-file=${lost.root}/`)).toHaveLength(1);

    // Without --yes, nothing is removed.
    expect((await purge()).exitCode).toBe(2);
    expect(await picture(machine.node)).toEqual(made);
    const purged = await purge('--yes');
    expect(purged).toMatchObject({ exitCode: 0, err: '' });
    expect(purged.out.trim().split('\n')).toHaveLength(leftovers.length);
    expect(purged.out).toContain(`${leftovers.length}/${leftovers.length} remove table `);
    // The device is down now, and keeps the MTU of the network.
    await machine.node.ip('link', 'set', 'device0', 'mtu', '1500');
    expect(await picture(machine.node)).toEqual(before);
    expect(await hasLink(container, 'eth0')).toBe(false);
    for (const uuid of [lost.first, lost.second]) expect(await isPinned(uuid)).toBe(false);
    expect(await processes(`conf-file=${lost.root}/`)).toEqual([]);
    expect((await attempt('test', '-e', lost.root)).exitCode).toBe(1);
    expect([await picture(neighbour.node), await picture(stranger)]).toEqual([neighbours, elsewhere]);
    expect(await isPinned(network.uuid)).toBe(true);
    expect(await purge('--yes')).toMatchObject({ exitCode: 0, out: 'nothing of vethwork found\n' });

    const host = await machine.open();
    await (await host.createNetwork(demo)).attach({ netns: container.name, configure: true });
    expect(await pings(container, '172.16.0.1')).toBe(true);
  });

  test('is not reported as lost while it has the records', async () => {
    const host = await machine.open();
    await host.createNetwork(demo);
    const made = await picture(machine.node);
    for (const flag of ['--dry-run', '--yes']) {
      const { exitCode, err } = await purge(flag);
      expect(exitCode).toBe(1);
      expect(err).toContain('vethwork teardown');
    }
    expect(await picture(machine.node)).toEqual(made);
  });

  test('does not remove objects of another host whose network has the same UUID', async () => {
    const { uuid } = await theirs.createNetwork({ ...demo, netblock: '172.17.0.0/24' });
    await lose();
    // As on a hypervisor node, which has a bridge of the network, and not its namespace.
    await machine.node.ip('link', 'add', 'name', 'hyp0', 'index', '1500000000', 'type', 'bridge');
    await machine.node.ip('link', 'set', 'hyp0', 'alias', `vethwork ${uuid}`);
    expect((await purge('--yes')).exitCode).toBe(0);
    expect(await hasLink(machine.node, 'hyp0')).toBe(false);
    expect(await isPinned(uuid)).toBe(true);
    expect(await theirs.reconcile()).toEqual([]);
    expect(await processes(`conf-file=[^ ]*/${uuid}/`)).toHaveLength(1);
    await machine.open();
  });
});
