import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Host, Network } from '../../../src/index.js';
import { type Unchanged, VerifiedNetworks } from '../../../src/reconcile/verified.js';
import { TestHost } from '../../support/host.js';
import { privileged, sh, type TestNamespace } from '../../support/namespaces.js';

/*
 * The reconciliation compares only digests of networks whose comparison found no difference before. Each harm is done to
 * a network that is compared in this way.
 */
describe.skipIf(!privileged)('the reconciliation of unchanged networks', () => {
  let machine: TestHost;
  let host: Host;
  let network: Network;
  let other: Network;
  let guest: TestNamespace;
  let own: string;
  let container: string;
  let floating: string;
  let routed: string;
  let mac: string;

  beforeAll(async () => {
    machine = await TestHost.create();
    host = await machine.open({ repair: false });
    network = await host.createNetwork({ name: 'one', netblock: '172.16.0.0/24', provideDhcp: false });
    other = await host.createNetwork({ name: 'two', netblock: '172.16.0.0/24', provideDhcp: false });
    guest = await machine.guest();
    const nic = await network.attach({ netns: guest.name, configure: true });
    container = nic.info.device;
    ({ mac } = (await network.attach({ tap: 'vnet0' })).info);
    floating = await nic.float();
    routed = await network.routeAddress();
    own = network.info.vni.toString(16).padStart(6, '0');
    await sh('ip', '-n', network.uuid, 'rule', 'list');
  });
  afterAll(() => machine.remove());

  const inside = (...command: string[]) => sh('ip', 'netns', 'exec', network.uuid, ...command);
  const node = (...command: [string, ...string[]]) => machine.node.run(...command);

  /** Reconciles. Returns the networks of which only digests were compared. */
  async function compared(dryRun = false): Promise<{ unchanged: string[]; repairs: string[] }> {
    const spy = vi.spyOn(VerifiedNetworks.prototype, 'unchanged');
    const repairs = await host.reconcile({ dryRun });
    const [result] = spy.mock.results as { value: Promise<Unchanged> }[];
    spy.mockRestore();
    return {
      unchanged: [...((await result?.value)?.networks ?? [])].sort(),
      repairs: repairs.map((each) => each.description),
    };
  }

  /** The kernel still changes the state of new links for some time. */
  async function settle(): Promise<void> {
    const all = [network.uuid, other.uuid].sort();
    for (let round = 0, quiet = 0; round < 200; round++) {
      const { unchanged, repairs } = await compared();
      quiet = repairs.length === 0 && unchanged.join() === all.join() ? quiet + 1 : 0;
      if (quiet === 2) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error('the networks are compared in full');
  }

  test('compares digests only where nothing has changed', async () => {
    await settle();
    // What does not concern the network, and counters.
    await node('ip', 'link', 'add', 'foreign0', 'type', 'bridge');
    await node('nft', 'add', 'table', 'ip', 'foreign');
    await machine.world.run('ping', '-c1', '-W2', floating);
    expect((await compared()).unchanged).toContain(other.uuid);
    await node('ip', 'link', 'delete', 'foreign0');
    await node('nft', 'delete', 'table', 'ip', 'foreign');
    await settle();
  });

  test.each<[string, () => Promise<unknown>]>([
    ['a rule inside is added', () => inside('nft', 'add', 'rule', 'ip', 'vethwork', 'forward', 'accept')],
    ['an element inside is deleted', () => inside('nft', 'flush', 'map', 'ip', 'vethwork', 'floating')],
    ['an element inside is added', () => inside('nft', 'add', 'element', 'ip', 'vethwork', 'routed', '{ 10.9.9.9 }')],
    ['an address inside is added', () => inside('ip', 'address', 'add', '10.9.9.9/32', 'dev', `veth-${own}-i`)],
    ['a route inside is added', () => inside('ip', 'route', 'add', '10.9.9.0/24', 'dev', `veth-${own}-i`)],
    ['a policy rule inside is deleted', () => inside('ip', 'rule', 'delete', 'priority', '1000')],
    ['a neighbour inside is deleted', () => inside('sh', '-c', `ip neigh flush nud permanent dev veth-${own}-i`)],
    [
      'a neighbour inside is added',
      () => inside('ip', 'neigh', 'add', '172.16.0.200', 'lladdr', mac, 'dev', `veth-${own}-i`),
    ],
    ['a sysctl inside is changed', () => inside('sysctl', '-qw', 'net.ipv4.conf.all.send_redirects=1')],
    ['a setting of a link inside is changed', () => inside('sysctl', '-qw', `net.ipv4.conf.egr-${own}-i.rp_filter=1`)],
    ['a link inside is down', () => inside('ip', 'link', 'set', `egr-${own}-i`, 'down')],
    [
      'a port setting is changed',
      () => node('ip', 'link', 'set', 'vnet0', 'type', 'bridge_slave', 'group_fwd_mask', '0'),
    ],
    ['the group of a port is changed', () => node('ip', 'link', 'set', `veth-${own}-o`, 'group', '0')],
    ['an alias is changed', () => node('ip', 'link', 'set', `br-vxlan-${own}`, 'alias', 'mine')],
    ['a forwarding entry is deleted', () => node('bridge', 'fdb', 'delete', mac, 'dev', 'vnet0', 'master')],
    [
      'a neighbour of the host is deleted',
      () => node('ip', 'neigh', 'flush', 'nud', 'permanent', 'dev', 'egr-br-eth0'),
    ],
    ['a proxy entry is deleted', () => node('ip', 'neigh', 'delete', 'proxy', routed, 'dev', 'egr-br-eth0')],
    ['a route of the host is deleted', () => node('ip', 'route', 'delete', `${routed}/32`)],
    ['the map of guarded ports is flushed', () => node('nft', 'flush', 'map', 'bridge', 'vethwork', 'guarded')],
    ['the addresses of a guard are flushed', () => node('nft', 'flush', 'set', 'bridge', 'vethwork', 'addresses')],
    [
      'an element of the host of no port is added',
      () => node('nft', 'add', 'element', 'bridge', 'vethwork', 'guarded', '{ "gone0" : 7 }'),
    ],
    [
      'an element of a port of the network is added',
      () => node('nft', 'add', 'element', 'inet', 'vethwork_mesh', 'vnis', '{ 77 }'),
    ],
    ['an address of the container is deleted', () => guest.ip('address', 'flush', 'dev', 'eth0')],
    ['the link of the container is down', () => guest.ip('link', 'set', 'eth0', 'down')],
    ['the route of the container is deleted', () => guest.ip('route', 'delete', 'default')],
    ['the port of the container leaves the bridge', () => node('ip', 'link', 'set', container, 'nomaster')],
    [
      'the namespace is replaced',
      async () => {
        await sh('ip', 'netns', 'delete', network.uuid);
        await sh('ip', 'netns', 'add', network.uuid);
      },
    ],
  ])('finds that %s', async (_what, harm) => {
    await settle();
    await harm();
    const { repairs } = await compared(true);
    expect(repairs).not.toEqual([]);
    await host.reconcile();
    expect(await host.reconcile({ dryRun: true })).toEqual([]);
  });

  test('compares a network in full after its records have changed, and the others not', async () => {
    await settle();
    const nic = await other.attach({ tap: 'vnet1' });
    expect(await compared()).toEqual({ unchanged: [network.uuid], repairs: [] });
    await settle();
    await nic.detach();
    await host.drained();
    expect((await compared()).unchanged).not.toContain(other.uuid);
    await settle();
  });
});
