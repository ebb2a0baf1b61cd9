import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runtimeRoot } from '../../../src/dnsmasq/index.js';
import { adoptHost, type Host, type InterfaceInfo, openHost } from '../../../src/index.js';
import { attempt } from '../../support/attempt.js';
import { cli } from '../../support/cli.js';
import { pings, TestHost, talks } from '../../support/host.js';
import { hasLink, ipLinks, rejection } from '../../support/kernel.js';
import { privileged, TestNamespace } from '../../support/namespaces.js';
import { processes } from '../../support/processes.js';

const demo = { name: 'demo', netblock: '172.16.0.0/24', tenant: 'a tenant & co' } as const;

/** Links and ruleset, without states that change by themselves. */
async function picture(namespace: TestNamespace) {
  const { exitCode, stdout } = await attempt('ip', 'netns', 'exec', namespace.name, 'nft', '-s', 'list', 'ruleset');
  expect(exitCode).toBe(0);
  const links = (await ipLinks(namespace)).map(({ ifindex, ifname, ifalias, group, master, mtu }) => [
    ...[ifindex, ifname, ifalias, group, master, mtu],
  ]);
  // Elements of dynamic sets come and go.
  return [links, stdout.replace(/elements = \{[^}]*\}/g, '')];
}

/** Pings an address without pause until it is ended; returns the number of lost packets. */
function pingAlways(
  from: TestNamespace,
  address: string,
): { child: ChildProcess; end: () => Promise<[number, number]> } {
  const child = spawn('ip', ['netns', 'exec', from.name, 'ping', '-i', '0.05', '-n', address]);
  let output = '';
  child.stdout.on('data', (data) => {
    output += data;
  });
  return {
    child,
    end: async () => {
      // The reply to the last request may be on its way.
      await new Promise((resolve) => setTimeout(resolve, 200));
      child.kill('SIGINT');
      await once(child, 'close');
      const [, sent = '', received = ''] = /(\d+) packets transmitted, (\d+) received/.exec(output) ?? [];
      return [Number(sent), Number(received)];
    },
  };
}

describe.skipIf(!privileged)('a host whose state folder is lost', () => {
  let machine: TestHost;
  let neighbour: TestHost;
  let stranger: TestNamespace;
  let theirs: Host;
  let container: TestNamespace;
  let plain: TestNamespace;
  let others: string[];

  beforeEach(async () => {
    others = [];
    machine = await TestHost.create({ deletionHalo: 0 });
    neighbour = await TestHost.create({ deletionHalo: 0 });
    theirs = await neighbour.open();
    [container, plain] = [await machine.guest(), await machine.guest()];
    stranger = await TestNamespace.create('stranger');
    const { node } = machine;
    await node.ip('link', 'add', 'device0', 'type', 'veth', 'peer', 'name', 'device1');
    // What only looks like a network of vethwork.
    await node.ip('link', 'add', 'br-vxlan-000009', 'type', 'bridge');
    await node.ip('link', 'set', 'br-vxlan-000009', 'alias', `vethwork ${randomUUID()}`);
  });
  afterEach(async () => {
    await machine.remove();
    await neighbour.remove();
    await stranger.remove();
    for (const folder of others) await rm(folder, { recursive: true, force: true });
  });

  const base = () => ({ stateDir: machine.options.stateDir, netns: machine.node.name, deletionHalo: 0 });
  const conflict = (text: RegExp) => ({ code: 'ERR_VETHWORK_CONFLICT', message: expect.stringMatching(text) });

  /** Makes a host with all that it can have. */
  async function build() {
    const host = await machine.open({ outboundNat: true });
    const first = await host.createNetwork({ ...demo, provideDns: true });
    const second = await host.createNetwork({ ...demo, name: 'zweites Netz', provideDhcp: false, provideNat: false });
    const nic = await first.attach({
      ...{ netns: container.name, configure: true, hostname: 'web', order: 1, model: 'e1000' },
      allowedAddresses: ['172.16.0.200', '10.9.8.7'],
    });
    const floating = await nic.float();
    const tap = await first.attach({ tap: 'vnet0', owner: 1234, multiQueue: true });
    const free = await first.attach({ netns: plain.name, name: 'data0', antiSpoofing: false });
    const loose = await first.attach({ tap: 'vnet1', antiSpoofing: false });
    const device = await second.attach({ device: 'device0' });
    const routed = await first.routeAddress();
    const before = {
      networks: await host.listNetworks(),
      interfaces: [...(await first.listInterfaces()), ...(await second.listInterfaces())],
    };
    const nics = { nic: nic.uuid, tap: tap.uuid, free: free.uuid, loose: loose.uuid, device: device.uuid };
    return { host, first: first.uuid, second: second.uuid, floating, routed, before, nics };
  }

  const lose = async () => {
    await machine.close();
    await rm(machine.options.stateDir, { recursive: true });
  };

  test('is explained, rebuilt as it was, and needs no repair; traffic goes on', async () => {
    const { first, second, floating, routed, before, nics } = await build();
    await lose();
    const error = await rejection(openHost(machine.options));
    expect(error).toMatchObject(
      conflict(/is not recorded in .*"vethwork adopt".*"vethwork purge".*found \d+ links of 2 networks/),
    );
    expect((error as Error).message).toContain(first);

    const pictures = await Promise.all([machine.node, container, neighbour.node, stranger].map(picture));
    const dnsmasqs = await processes(`conf-file=[^ ]*/${first}/`);
    expect(dnsmasqs).toHaveLength(1);
    const pinging = [pingAlways(container, '172.16.0.1'), pingAlways(machine.world, floating)];

    const flags = ['--state-dir', machine.options.stateDir, '--host-netns', machine.node.name, '--deletion-halo', '0s'];
    expect((await cli('adopt', ...flags)).exitCode).toBe(2);
    const listed = await cli('adopt', '--dry-run', '--json', ...flags);
    expect(listed).toMatchObject({ exitCode: 0, err: '' });
    const dry = JSON.parse(listed.out);
    expect((await attempt('test', '-e', machine.options.stateDir)).exitCode).toBe(1);
    const adopted = await cli('adopt', '--yes', '--json', ...flags);
    expect(adopted).toMatchObject({ exitCode: 0, err: '' });
    const adoption = JSON.parse(adopted.out);
    expect(adoption).toMatchObject({
      ...{ dryRun: false, skipped: [], repairs: [] },
      host: { egressNic: 'eth0', meshNic: 'eth0', floatingNetwork: '192.168.15.0/24', outboundNat: true },
    });
    // The UUID of an interface without a link of ours is new each time.
    expect(dry.networks.map(({ uuid }: { uuid: string }) => uuid).toSorted()).toEqual([first, second].toSorted());
    expect(dry.host).toEqual(adoption.host);
    expect(adoption.host.dnsServers).toEqual(['10.0.0.1']);

    const host = await machine.open();
    expect(await host.reconcile()).toEqual([]);
    const byUuid = <Info extends { uuid: string }>(infos: readonly Info[]) =>
      infos.toSorted((left, right) => (left.uuid < right.uuid ? -1 : 1));
    expect(byUuid(await host.listNetworks())).toEqual(byUuid(before.networks));
    const now = [];
    for (const uuid of [first, second]) now.push(...((await (await host.getNetwork(uuid))?.listInterfaces()) ?? []));
    const [device] = now.filter(({ attachment }) => attachment === 'device');
    const expected = before.interfaces.map((nic) => (nic.uuid === nics.device ? { ...nic, uuid: device?.uuid } : nic));
    const sorted = (infos: readonly InterfaceInfo[]) =>
      byUuid(infos).map((nic) => ({ ...nic, allowedAddresses: nic.allowedAddresses.toSorted() }));
    expect(sorted(now)).toEqual(sorted(expected as InterfaceInfo[]));
    expect(await Promise.all([machine.node, container, neighbour.node, stranger].map(picture))).toEqual(pictures);
    expect(await processes(`conf-file=[^ ]*/${first}/`)).toEqual(dnsmasqs);
    for (const { end } of pinging) {
      const [sent, received] = await end();
      expect(sent).toBeGreaterThan(10);
      expect(received).toBe(sent);
    }

    // It can be used as before: nothing in use is given out again, and everything can be removed.
    const network = await host.getNetwork(first);
    expect((await host.listNetworks()).flatMap(({ routedAddresses }) => routedAddresses)).toEqual([routed]);
    await expect(host.createNetwork(demo)).rejects.toThrow(/is named demo already/);
    await expect(network?.attach({ tap: 'vnet2', address: '172.16.0.200' })).rejects.toThrow(/in use/);
    await expect(network?.attach({ tap: 'vnet0' })).rejects.toThrow(/attached already/);
    await network?.attach({ tap: 'vnet2' });
    expect(await talks(machine.world, floating)).toBe(true);
    for (const uuid of [nics.free, nics.tap]) await (await host.getInterface(uuid))?.detach();
    expect(await hasLink(plain, 'data0')).toBe(false);
    await (await host.getInterface(device?.uuid ?? ''))?.detach();
    expect((await ipLinks(machine.node)).find(({ ifname }) => ifname === 'device0')?.group).toBe('default');
    for (const uuid of [first, second]) await (await host.getNetwork(uuid))?.delete();
    await host.drained();
    expect(await host.reconcile()).toEqual([]);
    expect(await hasLink(machine.node, 'br-vxlan-000009')).toBe(true);
    expect(await theirs.reconcile()).toEqual([]);
  });

  test('is adopted by another state folder, with a dnsmasq of its own', async () => {
    const { first, floating } = await build();
    await lose();
    const stateDir = `${machine.options.stateDir}-other`;
    others.push(stateDir);
    const pinging = pingAlways(container, '172.16.0.1');
    const { repairs } = await adoptHost({ ...base(), stateDir });
    // The alias of the egress bridge names the state folder.
    expect(repairs).toMatchObject([{ action: 'create' }, { action: 'dnsmasq', network: first }]);
    const bridge = (await ipLinks(machine.node)).find(({ ifname }) => ifname === 'egr-br-eth0');
    expect(bridge?.ifalias).toBe(`vethwork:${stateDir}`);
    const [sent, received] = await pinging.end();
    expect(received).toBe(sent);
    const host = await openHost({ stateDir });
    expect(await host.reconcile()).toEqual([]);
    expect(await processes(`conf-file=[^ ]*/${first}/`)).toHaveLength(1);
    expect(await pings(machine.world, floating)).toBe(true);
    for (const { uuid } of await host.listNetworks()) await (await host.getNetwork(uuid))?.delete();
    await host.teardown();
    await host.close();
    await machine.open();
  });

  test('leaves alone what cannot be rebuilt, and purge removes exactly that', async () => {
    const { first, second, nics } = await build();
    const { node } = machine;
    const { stateDir } = machine.options;
    const root = await runtimeRoot(stateDir);
    await lose();
    // As of an earlier version, without facts in the aliases, and without anti-spoofing and reservations.
    await node.ip('link', 'set', 'vnet1', 'alias', `vethwork ${first}`);
    await truncate(join(root, first, 'dhcp-hosts'));
    const bridge = (await ipLinks(node)).find(
      ({ ifname, ifalias }) => ifname.startsWith('vxlan-') && ifalias?.includes(second),
    );
    await node.ip('link', 'delete', bridge?.ifname ?? '');

    const { networks, skipped, repairs } = await adoptHost(base());
    expect(skipped.toSorted((left, right) => (left.kind < right.kind ? -1 : 1))).toMatchObject([
      { kind: 'interface', name: 'vnet1', network: first, reason: expect.stringContaining('MAC') },
      { kind: 'network', name: second, reason: expect.stringMatching(/vxlan-\w+ does not exist/) },
    ]);
    expect(networks.map(({ uuid }) => uuid)).toEqual([first]);
    expect(networks[0]?.interfaces.map(({ uuid }) => uuid).toSorted()).toEqual(
      [nics.nic, nics.tap, nics.free].toSorted(),
    );
    // The reservations that were removed are back.
    expect(repairs).toMatchObject([{ action: 'dnsmasq' }]);
    const host = await machine.open();
    expect(await host.reconcile()).toEqual([]);
    for (const name of ['vnet1', 'device0']) expect(await hasLink(node, name)).toBe(true);
    expect((await attempt('test', '-e', `/run/netns/${second}`)).exitCode).toBe(0);
    expect(await pings(container, '172.16.0.1')).toBe(true);

    const flags = ['--state-dir', stateDir, '--host-netns', node.name];
    const listed = JSON.parse((await cli('purge', '--dry-run', '--json', ...flags)).out).leftovers;
    expect(listed.map(({ name, action }: { name: string; action: string }) => `${action} ${name}`)).toEqual(
      expect.arrayContaining(['remove vnet1', `remove ${second}`, 'release device0']),
    );
    expect(listed.filter(({ kind }: { kind: string }) => kind === 'table' || kind === 'dnsmasq')).toEqual([]);
    expect((await cli('purge', '--yes', ...flags)).exitCode).toBe(0);
    expect(await hasLink(node, 'vnet1')).toBe(false);
    expect((await attempt('test', '-e', `/run/netns/${second}`)).exitCode).toBe(1);
    for (const name of ['vnet0', 'br-vxlan-000009']) expect(await hasLink(node, name)).toBe(true);
    expect(await pings(container, '172.16.0.1')).toBe(true);
    await host.reconcile();
    expect(await host.reconcile()).toEqual([]);
    expect((await cli('purge', '--dry-run', ...flags)).err).toContain('is recorded in');
  });

  test('is adopted without facts in aliases, as of an earlier version, with names of its own', async () => {
    const { first, floating, before, nics } = await build();
    await lose();
    for (const [namespace, alias] of [
      [machine.node, undefined],
      [TestNamespace.named(first), `vethwork ${first}`],
    ] as const) {
      for (const { ifname, ifalias } of await ipLinks(namespace)) {
        const plain = alias ?? ifalias?.split(' ').slice(0, 2).join(' ').split(':')[0];
        if (ifalias !== undefined) await namespace.ip('link', 'set', ifname, 'alias', plain ?? '');
      }
    }
    const { networks, skipped } = await adoptHost(base());
    expect(skipped).toEqual([]);
    const adopted = networks.find(({ uuid }) => uuid === first);
    expect(adopted).toMatchObject({ name: `adopted-${first}`, tenant: 'system', defaults: ['name', 'tenant'] });
    // What the kernel and dnsmasq know is as it was.
    const known = ({ address, mac, device, floating, hostname, antiSpoofing }: InterfaceInfo) =>
      JSON.stringify({ address, mac, device, floating, hostname, antiSpoofing });
    const interfaces = networks.flatMap((network) => network.interfaces);
    expect(interfaces.map(known).toSorted()).toEqual(before.interfaces.map(known).toSorted());
    for (const { uuid, defaults } of interfaces) {
      expect(defaults).toContain('uuid');
      expect(Object.values(nics)).not.toContain(uuid);
    }
    const host = await machine.open();
    expect(await host.reconcile()).toEqual([]);
    expect(await talks(machine.world, floating)).toBe(true);
  });

  test('is refused while its state is in use, recorded or unlike the options', async () => {
    await build();
    const stateDir = `${machine.options.stateDir}-other`;
    others.push(stateDir);
    const before = await picture(machine.node);
    expect(await rejection(adoptHost(base()))).toMatchObject(conflict(/has the records of a host/));
    const inUse = new RegExp(
      `^process ${process.pid} \\(.*\\) has the state folder ${machine.options.stateDir} open, and`,
    );
    expect(await rejection(adoptHost({ ...base(), stateDir }))).toMatchObject(conflict(inUse));
    expect(await rejection(openHost({ ...machine.options, stateDir }))).toMatchObject(
      conflict(/has the state folder .* open\. Use that state folder/),
    );
    // Not in use, and not lost.
    await machine.close();
    const known = conflict(new RegExp(`egr-br-eth0 .*is recorded in ${machine.options.stateDir}`));
    expect(await rejection(adoptHost({ ...base(), stateDir }))).toMatchObject(known);
    expect(await rejection(openHost({ ...machine.options, stateDir }))).toMatchObject(known);
    // Removed while it is in use.
    await machine.open();
    await rm(machine.options.stateDir, { recursive: true });
    expect(await rejection(adoptHost({ ...base(), stateDir }))).toMatchObject(
      conflict(/which was removed, and uses .*: end it first/),
    );
    await machine.close();
    const unlike = { floatingNetwork: '192.168.16.0/24' };
    expect(await rejection(adoptHost({ ...base(), ...unlike, stateDir }))).toMatchObject(
      conflict(/^floatingNetwork is 192.168.15.0\/24 in the kernel/),
    );
    expect(await rejection(adoptHost({ stateDir, netns: stranger.name }))).toMatchObject({
      code: 'ERR_VETHWORK_NOT_FOUND',
    });
    expect(await rejection(adoptHost({ ...base(), dryRun: 1 } as never))).toMatchObject({ field: 'dryRun' });
    expect((await attempt('test', '-e', stateDir)).exitCode).toBe(1);
    expect(await picture(machine.node)).toEqual(before);
    expect((await adoptHost(base())).networks).toHaveLength(2);
    await machine.open();
  });
});
