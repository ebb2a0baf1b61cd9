import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host, Interface, Network } from '../../src/index.js';
import { pidsIn, TestHost, talks } from '../support/host.js';
import { attempt, eventually, privileged, sh, type TestNamespace } from '../support/namespaces.js';

describe.skipIf(!privileged)('reconciliation', () => {
  let machine: TestHost;
  let host: Host;
  let network: Network;
  let nic: Interface;
  let guest: TestNamespace;
  let floating: string;
  let routed: string;
  let vni: string;

  beforeAll(async () => {
    machine = await TestHost.create();
    host = await machine.open();
    network = await host.createNetwork({ name: 'demo', netblock: '172.16.0.0/24' });
    vni = network.info.vni.toString(16).padStart(6, '0');
    guest = await machine.guest();
    nic = await network.attach({ netns: guest.name, configure: true });
    await network.attach({ tap: 'vnet0' });
    floating = await nic.float();
    routed = await network.routeAddress();
    await guest.ip('address', 'add', `${routed}/32`, 'dev', 'eth0');
    await eventually(() => talks(machine.world, floating));
    // The kernel settles the carrier of a link that nobody has opened a moment later.
    await eventually(async () => (await machine.node.ip('link', 'show', 'vnet0')).includes('NO-CARRIER'));
    await eventually(async () => !(await machine.node.ip('address')).includes('tentative'));
  });
  afterAll(() => machine.remove());

  const inside = (...command: string[]) => sh('ip', 'netns', 'exec', network.uuid, ...command);
  const picture = async () =>
    [
      await inside('nft', '-s', 'list', 'ruleset'),
      await machine.node.run('nft', '-s', 'list', 'ruleset'),
      // The stage's own uplink may still be at its duplicate address detection.
      (await machine.node.ip('address')).replaceAll(' tentative', ''),
      await machine.node.ip('route'),
      await sh('ip', '-n', network.uuid, 'route', 'show', 'table', 'all'),
    ].join();

  test('changes nothing where nothing is wrong, a hundred times', async () => {
    const before = await picture();
    for (let round = 0; round < 100; round++) expect(await host.reconcile()).toEqual([]);
    expect(await picture()).toBe(before);
  });

  test.each<[string, () => Promise<unknown>]>([
    ['the ruleset of the namespace is flushed', () => inside('nft', 'flush', 'ruleset')],
    ['the ruleset of the host is flushed', () => machine.node.run('nft', 'flush', 'ruleset')],
    ['the map of floating addresses is flushed', () => inside('nft', 'flush', 'map', 'ip', 'vethwork', 'floating')],
    ['a rule is put in', () => inside('nft', 'add', 'rule', 'ip', 'vethwork', 'forward', 'accept')],
    ['a policy routing rule is deleted', () => sh('ip', '-n', network.uuid, 'rule', 'delete', 'priority', '1000')],
    ['the overlay bridge is deleted', () => machine.node.ip('link', 'delete', `br-vxlan-${vni}`)],
    ['the VXLAN link is deleted', () => machine.node.ip('link', 'delete', `vxlan-${vni}`)],
    ['the inner pair is deleted', () => machine.node.ip('link', 'delete', `veth-${vni}-o`)],
    ['the egress pair is deleted', () => sh('ip', '-n', network.uuid, 'link', 'delete', `egr-${vni}-i`)],
    ['the egress bridge is deleted', () => machine.node.ip('link', 'delete', 'egr-br-eth0')],
    ['a port is taken out', () => machine.node.ip('link', 'set', 'vnet0', 'nomaster')],
    ['an MTU is changed', () => machine.node.ip('link', 'set', `br-vxlan-${vni}`, 'mtu', '1400')],
    ['a link is down', () => sh('ip', '-n', network.uuid, 'link', 'set', `veth-${vni}-i`, 'down')],
    ['addresses are flushed', () => sh('ip', '-n', network.uuid, 'address', 'flush', 'dev', `egr-${vni}-i`)],
    ['the default route is deleted', () => sh('ip', '-n', network.uuid, 'route', 'delete', 'default')],
    ['a routed address lacks its route', () => machine.node.ip('route', 'delete', `${routed}/32`)],
    ['a proxy entry is deleted', () => machine.node.ip('neigh', 'delete', 'proxy', routed, 'dev', 'egr-br-eth0')],
    ['forwarding is switched off', () => machine.node.run('sysctl', '-qw', 'net.ipv4.ip_forward=0')],
    [
      'the namespace is deleted',
      async () => {
        for (const pid of await pidsIn(network.uuid)) process.kill(pid);
        await sh('ip', 'netns', 'delete', network.uuid);
        const gone = async () => (await machine.node.attempt('ip', 'link', 'show', `veth-${vni}-o`)).exitCode !== 0;
        await eventually(gone);
      },
    ],
  ])('repairs it when %s', async (_what, harm) => {
    const before = await picture();
    await harm();
    const told = await host.reconcile({ dryRun: true });
    expect(told).not.toEqual([]);
    // The kernel changes more than it is told where forwarding is switched on again.
    expect(await host.reconcile()).toEqual(expect.arrayContaining(told));
    expect(await host.reconcile()).toEqual([]);
    expect(sortLines(await picture())).toBe(sortLines(before));
    expect(await talks(machine.world, floating)).toBe(true);
    expect(await talks(machine.world, routed)).toBe(true);
  });

  test('a dnsmasq that was killed runs again', async () => {
    const [before] = await pidsIn(network.uuid);
    process.kill(before as number, 'SIGKILL');
    await eventually(async () => {
      await host.reconcile();
      const [pid] = await pidsIn(network.uuid);
      return pid !== undefined && pid !== before;
    });
  });

  test('another process sees and changes the same', async () => {
    const second = await machine.open();
    const attached = await (await second.getNetwork('demo')).attach({ tap: 'vnet7' });
    expect((await host.getInterface('vnet7')).uuid).toBe(attached.uuid);
    expect(await host.reconcile()).toEqual([]);
    await (await host.getInterface('vnet7')).detach();
    expect(await second.reconcile()).toEqual([]);
    expect((await attempt('ip', '-n', machine.node.name, 'link', 'show', 'vnet7')).exitCode).not.toBe(0);
  });
});

/** Links and routes made again come in another order. */
function sortLines(text: string): string {
  return text
    .split('\n')
    .filter((line) => !/^\d+: |link\/ether|fe80::|ff00::|inet6/.test(line))
    .sort()
    .join('\n');
}
