import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RepairResult } from '../../../src/api/types.js';
import { repairText } from '../../../src/format/repair.js';
import type { Host, Interface, Network } from '../../../src/index.js';
import { pidsIn, TestHost, talks } from '../../support/host.js';
import { hasLink } from '../../support/kernel.js';
import { eventually, json, privileged, sh, type TestNamespace } from '../../support/namespaces.js';

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
    // The kernel updates the carrier of a tap that no process has opened with a delay.
    await eventually(async () => (await machine.node.ip('link', 'show', 'vnet0')).includes('NO-CARRIER'));
    await eventually(async () => !(await machine.node.ip('address')).includes('tentative'));
  });
  afterAll(() => machine.remove());

  const inside = (...command: string[]) => sh('ip', 'netns', 'exec', network.uuid, ...command);
  const picture = async () =>
    [
      await inside('nft', '-s', 'list', 'ruleset'),
      await machine.node.run('nft', '-s', 'list', 'ruleset'),
      // The uplink of the test may still run duplicate address detection.
      (await machine.node.ip('address')).replaceAll(' tentative', ''),
      await machine.node.ip('route'),
      await sh('ip', '-n', network.uuid, 'route', 'show', 'table', 'all'),
    ].join();

  const loseNamespace = async (...command: [string, ...string[]]) => {
    for (const pid of await pidsIn(network.uuid)) process.kill(pid);
    await sh(...command);
    const gone = async () => !(await hasLink(machine.node, `veth-${vni}-o`));
    await eventually(gone);
  };

  test('changes nothing in a hundred runs without drift', async () => {
    const before = await picture();
    for (let round = 0; round < 100; round++) expect(await host.reconcile()).toEqual([]);
    expect(await picture()).toBe(before);
  });

  test('continues when a callback throws, as does openHost', async () => {
    const warnings: string[] = [];
    const opened: Host[] = [];
    const collect = ({ message }: Error) => warnings.push(message);
    const broken = [
      () => {
        throw new Error('broken progress');
      },
      async () => {
        throw new Error('broken later');
      },
    ];
    process.on('warning', collect);
    try {
      for (const onProgress of broken) {
        await machine.node.run('nft', 'flush', 'ruleset');
        expect(await host.reconcile({ onProgress })).not.toEqual([]);
        expect(await host.reconcile({ dryRun: true })).toEqual([]);
        opened.push(await machine.open({ onProgress }));
      }
      await eventually(() => warnings.some((text) => text.includes('broken later')));
    } finally {
      // They would restart the dnsmasq that later tests kill, and thereby end the namespace that it keeps alive.
      for (const each of opened) await each.close();
      process.off('warning', collect);
    }
    expect(warnings).toContain('the callback onProgress failed: broken progress');
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
    [
      'options of a link are changed',
      async () => {
        await machine.node.ip('link', 'set', `vxlan-${vni}`, 'type', 'vxlan', 'nolearning');
        await machine.node.ip('link', 'set', `br-vxlan-${vni}`, 'type', 'bridge', 'mcast_snooping', '1');
        await machine.node.ip('link', 'set', `br-vxlan-${vni}`, 'type', 'bridge', 'stp_state', '1');
      },
    ],
    ['a link is down', () => sh('ip', '-n', network.uuid, 'link', 'set', `veth-${vni}-i`, 'down')],
    ['addresses are flushed', () => sh('ip', '-n', network.uuid, 'address', 'flush', 'dev', `egr-${vni}-i`)],
    ['the default route is deleted', () => sh('ip', '-n', network.uuid, 'route', 'delete', 'default')],
    ['a routed address lacks its route', () => machine.node.ip('route', 'delete', `${routed}/32`)],
    ['a proxy entry is deleted', () => machine.node.ip('neigh', 'delete', 'proxy', routed, 'dev', 'egr-br-eth0')],
    ['forwarding is switched off', () => machine.node.run('sysctl', '-qw', 'net.ipv4.ip_forward=0')],
    ['forwarding is switched off inside', () => inside('sysctl', '-qw', 'net.ipv4.ip_forward=0')],
    [
      'forwarding of one link is switched off inside',
      () => inside('sysctl', '-qw', `net.ipv4.conf.veth-${vni}-i.forwarding=0`),
    ],
    [
      'ICMP redirects and IPv6 are switched on inside',
      () => inside(...['sysctl', '-qw', 'net.ipv4.conf.all.send_redirects=1', 'net.ipv6.conf.all.disable_ipv6=0']),
    ],
    [
      'the settings of links inside are changed',
      () =>
        inside(
          ...['sysctl', '-qw', `net.ipv4.conf.egr-${vni}-i.rp_filter=1`, `net.ipv4.conf.egr-${vni}-i.arp_ignore=0`],
          ...[`net.ipv4.conf.veth-${vni}-i.send_redirects=1`, `net.ipv4.conf.veth-${vni}-i.accept_redirects=1`],
          `net.ipv4.conf.veth-${vni}-i.arp_announce=0`,
        ),
    ],
    ['the namespace is deleted', () => loseNamespace('ip', 'netns', 'delete', network.uuid)],
    ['the namespace lost its pin, whose file is left', () => loseNamespace('umount', `/run/netns/${network.uuid}`)],
    ['the pin is unmounted while dnsmasq keeps the namespace alive', () => sh('umount', `/run/netns/${network.uuid}`)],
    [
      'another namespace has the name while dnsmasq keeps the first one alive',
      async () => {
        await sh('ip', 'netns', 'delete', network.uuid);
        await sh('ip', 'netns', 'add', network.uuid);
      },
    ],
    [
      'the inner end is moved to another namespace',
      () => sh('ip', '-n', network.uuid, 'link', 'set', `veth-${vni}-i`, 'netns', guest.name),
    ],
  ])('repairs the state when %s', async (_what, harm) => {
    const before = await picture();
    await harm();
    const told = await host.reconcile({ dryRun: true });
    expect(told).not.toEqual([]);
    // dnsmasq may end meanwhile. With it ends a namespace that it kept alive, with its links.
    const due = told.filter(({ description }) => !description.includes('links into another namespace'));
    // The kernel changes further sysctls when forwarding is switched on.
    expect(await host.reconcile()).toEqual(expect.arrayContaining(due));
    expect(await host.reconcile()).toEqual([]);
    expect(sortLines(await picture())).toBe(sortLines(before));
    expect(await talks(machine.world, floating)).toBe(true);
    expect(await talks(machine.world, routed)).toBe(true);
  });

  test('reports chains and sets that others added to tables of vethwork, and keeps them in a repair', async () => {
    const node = (...command: string[]) => machine.node.run(...(command as [string, ...string[]]));
    const places = [
      { nft: inside, family: 'ip', set: 'routed' },
      { nft: node, family: 'bridge', set: 'guarded' },
      { nft: node, family: 'inet', set: 'vnis', table: 'vethwork_mesh' },
    ].map(({ table = 'vethwork', ...each }) => ({ ...each, table }));
    const clean = await picture();
    for (const { nft, family, table, set } of places) {
      const where = [family, table];
      await nft('nft', 'add', 'chain', ...where, 'mine', '{ type filter hook input priority 50; }');
      await nft('nft', 'add', 'set', ...where, 'own', '{ type ipv4_addr; }');
      await nft('nft', 'add', 'element', ...where, 'own', '{ 10.99.0.1 }');
      await nft('nft', 'add', 'rule', ...where, 'mine', 'ip saddr { 10.99.0.3, 10.99.0.7 } counter drop');
      await nft('nft', 'add', 'rule', ...where, 'mine', 'ip saddr @own drop');
      // It refers to a set of vethwork, which must therefore be kept.
      const key = { routed: 'ip saddr', guarded: 'iifname', vnis: 'mark' }[set] as string;
      await nft(
        'nft',
        'add',
        'rule',
        ...where,
        'mine',
        `${set === 'guarded' ? 'iifname "none"' : `${key} @${set}`} drop`,
      );
    }
    const before = await picture();
    expect(before).not.toBe(clean);
    expect(await host.reconcile()).toEqual([]);
    expect(await picture()).toBe(before);
    expect((await host.refresh()).warnings?.join()).toContain('the chain mine of the table bridge vethwork');
    for (const { nft, family, table } of places) {
      await nft('nft', 'flush', 'chain', family, table, 'input');
      await nft('nft', 'delete', 'chain', family, table, 'input');
    }
    await inside('nft', 'insert', 'rule', 'ip', 'vethwork', 'forward', 'drop');
    await inside('nft', 'delete', 'element', 'ip', 'vethwork', 'floating', `{ ${floating} }`);
    const told = await host.reconcile();
    for (const { family, table } of places) {
      const mine = `the chain mine of the table ${family} ${table}`;
      expect(told.map(({ description }) => description).join()).toContain(mine);
    }
    expect(told.filter(({ error }) => error !== undefined)).toEqual([]);
    expect(await host.reconcile()).toEqual([]);
    // Chains that were made again are listed last.
    expect(sortLines(await picture())).toBe(sortLines(before));
    expect(await talks(machine.world, floating)).toBe(true);
    for (const { nft, family, table } of places) {
      for (const part of [
        ['chain', 'mine'],
        ['set', 'own'],
      ]) {
        const [kind, name] = part as [string, string];
        if (kind === 'chain') await nft('nft', 'flush', 'chain', family, table, name);
        await nft('nft', 'delete', kind, family, table, name);
      }
    }
    expect(await host.reconcile()).toEqual([]);
    expect(sortLines(await picture())).toBe(sortLines(clean));
  });

  test('adds what closes links to a host of an earlier version', async () => {
    const { node } = machine;
    const { device, mac } = nic.info;
    const ports = [`vxlan-${vni}`, `veth-${vni}-o`, `egr-${vni}-o`, device, 'vnet0'];
    const state = async () => {
      const links = await json<{ ifname: string; group: string; linkinfo?: { info_slave_data?: object } }[]>(
        ...(['ip', '-n', node.name, '-d', '-j', 'link'] as const),
      );
      const settings = await Promise.all(
        ports.map((name) => node.run('cat', `/proc/sys/net/ipv6/conf/${name}/disable_ipv6`)),
      );
      const told = links
        .filter(({ ifname }) => ports.includes(ifname))
        .map(({ ifname, group, linkinfo }) => ({ ifname, group, ...linkinfo?.info_slave_data, timer: undefined }))
        .map(({ ifname, group, group_fwd_mask }: Record<string, unknown>) => [ifname, group, group_fwd_mask]);
      const fdb = await node.run('bridge', 'fdb', 'show', 'br', `br-vxlan-${vni}`);
      return {
        told,
        settings,
        sticky: fdb
          .split('\n')
          .filter((line) => line.includes('sticky'))
          .sort(),
      };
    };
    const [before, ruleset] = [await state(), await picture()];
    expect(before.sticky.map((line) => line.split(' ')[0])).toContain(mac);
    expect(before.settings).toEqual(ports.map(() => '1\n'));
    for (const name of ports) {
      await node.ip('link', 'set', name, 'group', '0', 'type', 'bridge_slave', 'group_fwd_mask', '0');
      await node.run('sysctl', '-qw', `net.ipv6.conf.${name}.disable_ipv6=0`);
    }
    for (const line of before.sticky) {
      const [entry, , port] = line.split(' ') as [string, string, string];
      await node.run('bridge', 'fdb', 'delete', entry, 'dev', port, 'master');
    }
    for (const [family, chain] of [
      ['bridge', 'input'],
      ['ip', 'prerouting'],
    ] as const) {
      await node.run('nft', 'delete', 'chain', family, 'vethwork', chain);
    }
    await node.run('nft', 'delete', 'set', 'bridge', 'vethwork', 'answers');
    await node.run('nft', 'delete', 'table', 'ip6', 'vethwork');
    await node.ip('link', 'set', `br-vxlan-${vni}`, 'type', 'bridge', 'no_linklocal_learn', '0');
    expect(await state()).not.toEqual(before);
    const other = await machine.open();
    expect(await state()).toEqual(before);
    expect(sortLines(await picture())).toBe(sortLines(ruleset));
    expect(await host.reconcile()).toEqual([]);
    expect(await talks(machine.world, routed)).toBe(true);
    await other.close();
  });

  test('restarts a killed dnsmasq', async () => {
    const [before] = await pidsIn(network.uuid);
    process.kill(before as number, 'SIGKILL');
    await eventually(async () => {
      await host.reconcile();
      const [pid] = await pidsIn(network.uuid);
      return pid !== undefined && pid !== before;
    });
  });

  test('repairs drift while watchDrift runs, also of objects created later', async () => {
    const repairs: string[] = [];
    const watch = await host.watchDrift({ interval: 20, onRepair: (told) => repairs.push(...told.map(repairText)) });
    const later = await host.createNetwork({ name: 'later', netblock: '172.18.0.0/24' });
    await machine.node.ip('link', 'set', 'vnet0', 'nomaster');
    await inside('nft', 'flush', 'ruleset');
    const isRight = async () => {
      const port = await machine.node.ip('link', 'show', 'vnet0');
      return port.includes('master br-vxlan') && (await inside('nft', 'list', 'ruleset')).includes('table ip vethwork');
    };
    await eventually(isRight, 60_000);
    await sh('ip', '-n', later.uuid, 'route', 'delete', 'default');
    await eventually(async () => (await sh('ip', '-n', later.uuid, 'route')).includes('default'), 60_000);
    const forwarding = (value: string) => inside('sysctl', value, 'net.ipv4.ip_forward');
    expect(await inside('sysctl', '-n', 'net.ipv4.ip_forward')).toBe('1\n');
    await inside('sysctl', '-qw', 'net.ipv4.ip_forward=0');
    await eventually(async () => (await forwarding('-n')) === '1\n', 60_000);
    for (const pid of await pidsIn(network.uuid)) process.kill(pid);
    await sh('ip', 'netns', 'delete', network.uuid);
    // The deleted namespace may still answer until the kernel has removed it.
    await eventually(() => repairs.join().includes('create namespace'), 60_000);
    await eventually(() => talks(machine.world, floating), 60_000);
    await watch.close();
    expect(repairs.join()).toMatch(/vnet0: set [^:]*master[^:]* of vnet0/);
    await later.delete();
    expect(await host.reconcile()).toEqual([]);
  });

  test('stops with the signal or the host of watchDrift; later drift stays', async () => {
    const controller = new AbortController();
    const second = await machine.open();
    const told: string[] = [];
    const onRepair = (repairs: RepairResult[]) => told.push(...repairs.map(repairText));
    await second.watchDrift({ interval: 20, onRepair });
    const first = await host.watchDrift({ interval: 20, signal: controller.signal, onRepair });
    await second.close();
    controller.abort();
    await first.close();
    await expect(host.watchDrift({ signal: controller.signal })).rejects.toThrow('abort');
    await expect(host.watchDrift({ interval: 0 })).rejects.toMatchObject({ field: 'interval' });
    await machine.node.ip('link', 'set', 'vnet0', 'nomaster');
    expect(await host.reconcile({ dryRun: true })).not.toEqual([]);
    // Positive control: a third watch reports the repair. By then the other two would have done so.
    const repaired: string[] = [];
    const third = await host.watchDrift({
      interval: 20,
      onRepair: (repairs) => repaired.push(...repairs.map(repairText)),
    });
    await eventually(() => repaired.join().includes('vnet0'));
    await third.close();
    expect(told).toEqual([]);
  });

  test('removes links of vethwork without a record, and only reports foreign links with a similar name', async () => {
    const stray = await network.attach({ tap: 'stray' });
    const alias = `vethwork ${network.uuid}`;
    // A link with the index and alias of a detached interface, as if its record had been lost.
    const { ifindex } = (
      await json<{ ifindex: number }[]>('ip', '-n', machine.node.name, '-j', 'link', 'show', 'stray')
    )[0] as {
      ifindex: number;
    };
    await stray.detach();
    await host.drained();
    await machine.node.ip('link', 'add', 'lost', 'index', String(ifindex), 'type', 'bridge');
    await machine.node.ip('link', 'set', 'lost', 'alias', alias);
    await machine.node.ip('link', 'add', 'vxlan-00beef', 'type', 'bridge');
    await machine.node.ip('link', 'set', 'vxlan-00beef', 'alias', alias);
    expect(await host.reconcile({ dryRun: true })).toEqual([
      { action: 'remove', description: `host: remove the link lost (${alias}), which no record refers to` },
    ]);
    await host.reconcile();
    await host.drained();
    expect(await host.reconcile()).toEqual([]);
    const links = await machine.node.ip('link');
    expect(links).not.toContain('lost');
    expect(links).toContain('vxlan-00beef');
    expect((await host.refresh()).warnings?.join()).toContain('vxlan-00beef');
    await machine.node.ip('link', 'delete', 'vxlan-00beef');
  });

  test('restores all networks after a reboot', async () => {
    const before = (await picture()).split('\n').length;
    for (const pid of await pidsIn(network.uuid)) process.kill(pid, 'SIGKILL');
    await sh('ip', 'netns', 'delete', network.uuid);
    for (const { ifname } of await json<{ ifname: string }[]>('ip', '-n', machine.node.name, '-j', 'link')) {
      if (!/^(lo|eth0)$/.test(ifname)) await machine.node.attempt('ip', 'link', 'delete', ifname);
    }
    await machine.node.run('nft', 'flush', 'ruleset');
    const seen: string[] = [];
    const again = await machine.open({
      onProgress: ({ network, done, total }) => seen.push(`${network} ${done}/${total}`),
    });
    expect(seen).toEqual([`${network.uuid} 1/1`]);
    expect(await again.reconcile()).toEqual([]);
    expect((await picture()).split('\n').length).toBe(before);
    await eventually(() => talks(machine.world, floating), 60_000);
    // vethwork does not restore the address that the container itself had added to its link.
    await guest.ip('address', 'add', `${routed}/32`, 'dev', 'eth0');
    await eventually(() => talks(machine.world, routed), 60_000);
  });

  test('lets another process see and change the same objects', async () => {
    const second = await machine.open();
    const attached = await (await second.getNetwork('demo')).attach({ tap: 'vnet7' });
    expect((await host.getInterface('vnet7')).uuid).toBe(attached.uuid);
    expect(await host.reconcile()).toEqual([]);
    await (await host.getInterface('vnet7')).detach();
    expect(await second.reconcile()).toEqual([]);
    expect(await hasLink(machine.node, 'vnet7')).toBe(false);
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
