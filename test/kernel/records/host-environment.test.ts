import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Host, openHost } from '../../../src/index.js';
import { TestHost } from '../../support/host.js';
import { connect, privileged, TestNamespace } from '../../support/namespaces.js';
import { repairLines } from '../../support/repairs.js';

describe.skipIf(!privileged)('recorded settings', () => {
  let machine: TestHost;
  let host: Host;
  const masquerades = async () =>
    (await machine.node.run('nft', 'list', 'table', 'ip', 'vethwork')).includes('masquerade');

  beforeEach(async () => {
    machine = await TestHost.create({ outboundNat: true, domain: 'one.internal' });
    host = await machine.open();
  });
  afterEach(async () => {
    await machine.remove();
  });

  test('are not changed by a second process without options, or with fewer', async () => {
    expect(await masquerades()).toBe(true);
    const { stateDir, netns } = machine.options;
    for (const options of [{ stateDir }, { stateDir, netns }, { stateDir, egressNic: 'eth0' }]) {
      const other = await openHost(options as { stateDir: string });
      expect(await other.reconcile()).toEqual([]);
      expect(await masquerades()).toBe(true);
      await other.close();
      expect(await masquerades()).toBe(true);
    }
    expect(await host.reconcile()).toEqual([]);
  });

  test.each([
    ['outboundNat', false],
    ['domain', 'two.internal'],
    ['dnsServers', ['10.0.0.9']],
    ['deletionHalo', 1000],
  ])('cause a conflict if they differ, or are changed for all processes: %s', async (field, value) => {
    const { stateDir: state } = machine.options;
    await expect(openHost({ stateDir: state, [field]: value })).rejects.toMatchObject({
      name: 'ConflictError',
      message: expect.stringContaining(`${field} is `),
    });
    expect(await masquerades()).toBe(true);
    const other = await openHost({ stateDir: state, [field]: value, updateSettings: true });
    expect(await masquerades()).toBe(field !== 'outboundNat');
    // The process that opened it before uses the new value.
    expect(await host.reconcile()).toEqual([]);
    expect(await masquerades()).toBe(field !== 'outboundNat');
    const events: { event: string; detail?: string }[] = [];
    for await (const event of other.events({ history: true, follow: false })) events.push(event);
    expect(events).toContainEqual(
      expect.objectContaining({ event: 'host.settings', detail: expect.stringContaining(field) }),
    );
    await other.close();
    await (await openHost({ stateDir: state })).close();
  });

  test('of links and addresses cannot change', async () => {
    const { stateDir: state } = machine.options;
    for (const change of [{ egressNic: 'lo' }, { floatingNetwork: '192.168.16.0/24' }, { vxlanPort: 4790 }]) {
      await expect(openHost({ stateDir: state, ...change, updateSettings: true })).rejects.toMatchObject({
        name: 'ConflictError',
      });
    }
  });
});

describe.skipIf(!privileged)('a new host', () => {
  test('needs its settings, and rejects a network of the machine as floating network', async () => {
    await using node = await TestNamespace.create('new');
    await using world = await TestNamespace.create('world');
    await connect([node, 'eth0'], [world, 'up0']);
    await node.ip('address', 'add', '10.0.0.74/24', 'dev', 'eth0');
    const base = await mkdtemp(join(tmpdir(), 'vethwork-test-'));
    const state = join(base, 'state');
    const options = { stateDir: state, netns: node.name, egressNic: 'eth0' };
    const before = await node.ip('address');
    await expect(openHost({ stateDir: state, netns: node.name })).rejects.toMatchObject({ field: 'egressNic' });
    await expect(openHost(options)).rejects.toMatchObject({ field: 'floatingNetwork' });
    for (const floatingNetwork of ['10.0.0.0/24', '10.0.0.64/28', '10.0.0.0/16']) {
      await expect(openHost({ ...options, floatingNetwork })).rejects.toMatchObject({
        field: 'floatingNetwork',
        expected: expect.stringContaining('eth0'),
      });
    }
    await expect(openHost({ ...options, floatingNetwork: '10.1.0.0/24', meshNic: 'none0' })).rejects.toMatchObject({
      name: 'NotFoundError',
    });
    expect(await node.ip('address')).toBe(before);
    expect(existsSync(state)).toBe(false);
    const host = await openHost({ ...options, floatingNetwork: '10.1.0.0/24' });
    expect(await node.ip('address')).toContain('10.1.0.1/24');
    await host.teardown();
    await host.close();
    await rm(base, { recursive: true });
  });
});

describe.skipIf(!privileged)('a host that changes', () => {
  let machine: TestHost;
  let host: Host;
  let mesh: TestNamespace;

  const plug = async (address = '10.9.0.1/24') => {
    await connect([machine.node, 'mesh0'], [mesh, 'peer0']);
    await machine.node.ip('address', 'add', address, 'dev', 'mesh0');
  };
  const vxlan = async () => await machine.node.ip('-d', '-o', 'link', 'show', 'type', 'vxlan');

  beforeEach(async () => {
    mesh = await TestNamespace.create('mesh');
    machine = await TestHost.create({ meshNic: 'mesh0', outboundNat: true });
    await plug();
    host = await machine.open();
    await host.createNetwork({ name: 'one', netblock: '172.16.0.0/24', provideDhcp: false });
  });
  afterEach(async () => {
    await machine.remove();
    await mesh.remove();
  });

  test('uses a NIC again that was removed and returned', async () => {
    await machine.node.ip('link', 'delete', 'mesh0');
    expect((await host.refresh()).warnings?.join('\n')).toContain('mesh0');
    await plug();
    await host.reconcile();
    expect(await host.reconcile()).toEqual([]);
    expect((await host.refresh()).warnings ?? []).toEqual([]);
    const index = (await machine.node.ip('-o', 'link', 'show', 'mesh0')).split(':')[0];
    expect(await vxlan()).toMatch(/local 10\.9\.0\.1 .*dev mesh0|local 10\.9\.0\.1 dev mesh0/);
    expect(Number(index)).toBeGreaterThan(0);
    await host.createNetwork({ name: 'two', netblock: '172.17.0.0/24', provideDhcp: false });
    expect((await vxlan()).match(/dev mesh0/g)).toHaveLength(2);
  });

  test('gives a changed address to the VXLAN links', async () => {
    expect(await vxlan()).toContain('local 10.9.0.1 ');
    await machine.node.ip('address', 'flush', 'dev', 'mesh0');
    await machine.node.ip('address', 'add', '10.9.0.7/24', 'dev', 'mesh0');
    expect(repairLines(await host.reconcile())).toContain('vxlan-');
    expect(await vxlan()).toContain('local 10.9.0.7 ');
    expect(await vxlan()).not.toContain('local 10.9.0.1 ');
    expect(await host.reconcile()).toEqual([]);
    await host.createNetwork({ name: 'two', netblock: '172.17.0.0/24', provideDhcp: false });
    expect((await vxlan()).match(/local 10\.9\.0\.7 /g)).toHaveLength(2);
  });

  test('follows a renamed NIC, and reports it; an alternative name is accepted', async () => {
    const rules = () => machine.node.run('nft', 'list', 'table', 'ip', 'vethwork');
    await machine.node.ip('link', 'set', 'eth0', 'down');
    await machine.node.ip('link', 'set', 'eth0', 'name', 'wan0');
    await machine.node.ip('link', 'set', 'wan0', 'up');
    await host.reconcile();
    expect(await rules()).toContain('oifname "wan0"');
    expect(await host.reconcile()).toEqual([]);
    expect((await host.refresh()).warnings?.join('\n')).toContain('the NIC eth0 is named wan0 now');
    await machine.node.ip('link', 'property', 'add', 'dev', 'wan0', 'altname', 'eth0');
    const other = await machine.open();
    expect(await other.reconcile()).toEqual([]);
    expect(await rules()).toContain('oifname "wan0"');
  });

  test('reports networks whose MTU is too large now', async () => {
    expect((await host.refresh()).warnings ?? []).toEqual([]);
    await machine.node.ip('link', 'set', 'mesh0', 'mtu', '1400');
    expect((await host.refresh()).warnings?.join('\n')).toMatch(
      /network one has an MTU of \d+, .* allows at most 1350/,
    );
    const small = await host.createNetwork({ name: 'small', netblock: '172.18.0.0/24', provideDhcp: false });
    expect(small.info.mtu).toBe(1350);
  });

  test('rejects a netblock with a resolver in it, and reports one that overlaps the LAN of the host', async () => {
    await expect(host.createNetwork({ name: 'lan', netblock: '10.0.0.0/24' })).rejects.toMatchObject({
      field: 'netblock',
      expected: expect.stringContaining('10.0.0.1'),
    });
    await host.createNetwork({ name: 'lan', netblock: '10.9.0.0/24', provideDhcp: false });
    expect((await host.refresh()).warnings?.join('\n')).toContain(
      '10.9.0.0/24 of network lan overlaps 10.9.0.1/24 of mesh0',
    );
  });
});
