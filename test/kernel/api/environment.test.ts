import { rm } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { diagnose } from '../../../src/index.js';
import { attempt } from '../../support/attempt.js';
import { compile } from '../../support/compile.js';
import { TestHost } from '../../support/host.js';
import { ipLinks, rejection } from '../../support/kernel.js';
import { privileged, sh, type TestNamespace } from '../../support/namespaces.js';
import type { Outcome, Step } from './environment-child.js';

/** Machines that do not let vethwork do what it needs: each in a mount namespace that ends with its process. */
/** Gives a mount namespace a /run of its own, with the network namespaces: other tests may remove /run/vethwork. */
const OWN_RUN = [
  'kept=$(mktemp -d) && mount --rbind /run/netns $kept && mount -t tmpfs none /run',
  'mkdir /run/netns /run/vethwork && mount --rbind $kept /run/netns && umount -l $kept && rmdir $kept',
].join(' && ');

describe.skipIf(!privileged)('a restricted environment', () => {
  let machine: TestHost;
  let program: { script: string; folder: string };

  beforeAll(async () => {
    program = await compile('test/kernel/api/environment-child.ts');
  });
  afterAll(() => rm(program.folder, { recursive: true }));
  beforeEach(async () => {
    machine = await TestHost.create({ deletionHalo: 0 });
  });
  afterEach(() => machine.remove());

  async function play(steps: Step[], namespaces = ['-m'], options: object = machine.options): Promise<Outcome[]> {
    const script = JSON.stringify({ options, steps });
    const { stdout, stderr } = await attempt('unshare', ...namespaces, process.execPath, program.script, script);
    expect(stderr).toBe('');
    return JSON.parse(stdout) as Outcome[];
  }

  const sysctls = (mode: 'ro' | 'rw'): Step => ({
    step: 'sh',
    command: mode === 'ro' ? 'mount -o bind,ro /proc/sys /proc/sys' : 'umount /proc/sys',
  });
  /** Without IPv6: its addresses settle by themselves. */
  const picture = async (namespace: TestNamespace) => [
    (await ipLinks(namespace)).map(({ ifindex, ifname }) => `${ifindex} ${ifname}`),
    await namespace.ip('-4', 'address'),
    await namespace.ip('-4', 'route', 'show', 'table', 'all'),
    await namespace.run('nft', '-s', 'list', 'ruleset'),
  ];
  const readOnly = {
    name: 'ReadOnlySysctlError',
    code: 'EROFS',
    sysctl: 'net.ipv4.ip_forward',
    message: expect.stringMatching(/net\.ipv4\.ip_forward.*\/proc\/sys is mounted read-only: run the container/),
  };

  test('with a read-only /proc/sys is rejected before anything is changed', async () => {
    const before = await picture(machine.node);
    const state = machine.options.stateDir as string;
    const [, opening, report] = await play([sysctls('ro'), { step: 'open' }, { step: 'doctor' }]);
    expect(report?.stdout).toContain('error sysctl-read-only /proc/sys');
    const [healthy] = await play([{ step: 'doctor' }]);
    expect(healthy?.stdout).not.toContain('sysctl-read-only');
    expect(opening?.error).toMatchObject(readOnly);
    expect(await picture(machine.node)).toEqual(before);
    expect(await sh('ls', '-A', state)).toBe('');

    const [opened, , creation, , again, , attach, , removal] = await play([
      { step: 'open' },
      sysctls('ro'),
      { step: 'create' },
      sysctls('rw'),
      { step: 'create' },
      // LXC mounts /proc/sys read-only and /proc/sys/net writable.
      {
        step: 'sh',
        command:
          'mount --bind /proc/sys/net /mnt && mount -o bind,ro /proc/sys /proc/sys && mount --move /mnt /proc/sys/net',
      },
      { step: 'attach', options: { tap: 'vnet0' } },
      { step: 'open', options: {} },
      { step: 'remove' },
    ]);
    expect(creation?.error).toMatchObject(readOnly);
    expect([opened, again, attach, removal].map((outcome) => outcome?.error)).toEqual(Array(4).fill(undefined));
    expect(await picture(machine.node)).toEqual(before);
  });

  test.each([
    ['space', 'size=64k', 'head -c 1M /dev/zero > /run/vethwork/filler 2>&1 || true'],
    ['inodes', 'size=1m,nr_inodes=20', 'i=0; while : > /run/vethwork/filler$i; do i=$((i+1)); done 2>&1 || true'],
  ])(
    'with a full /run (%s) gives a typed error that names it, and nothing is left behind',
    async (what, options, fill) => {
      const before = await picture(machine.node);
      const full = { step: 'sh', command: fill } as const;
      const free = { step: 'sh', command: 'rm /run/vethwork/filler*' } as const;
      const list = {
        step: 'sh',
        command: `find /run/vethwork -mindepth 2 && ip -o link 2>/dev/null | cut -d: -f1,2 && nft -s list ruleset`,
      } as const;
      const attach = (tap: string) => ({ step: 'attach', options: { tap } }) as const;
      const inNode = ({ command }: { command: string }) =>
        ({ step: 'sh', command: `ip netns exec ${machine.node.name} sh -c '${command}'` }) as const;
      const outcomes = await play([
        { step: 'sh', command: `${OWN_RUN} && mount -t tmpfs -o ${options} none /run/vethwork` },
        { step: 'open' },
        inNode(list),
        full,
        { step: 'create' },
        inNode(list),
        free,
        { step: 'create' },
        full,
        attach('vnet0'),
        free,
        attach('vnet1'),
        { step: 'remove' },
      ]);
      const [, opened, listed, , creation, after, , again, , attached, , next, removal] = outcomes;
      const failure = {
        name: 'StoreError',
        location: expect.stringMatching(/^\/run\/vethwork\//),
        message: expect.stringContaining('ENOSPC'),
      };
      expect(creation?.error).toMatchObject(failure);
      expect(after).toEqual(listed);
      // A reservation is a line of an existing file, so it needs no inode.
      if (what === 'inodes') expect(attached?.error).toBeUndefined();
      else expect(attached?.error).toMatchObject(failure);
      expect([opened, again, next, removal].map((outcome) => outcome?.error)).toEqual(Array(4).fill(undefined));
      expect(await picture(machine.node)).toEqual(before);
    },
  );

  test('without a default route is reported', async () => {
    const host = await machine.open();
    const look = async () => {
      const findings = await diagnose({ netns: machine.node.name, egressNic: 'eth0' });
      const { warnings = [], outboundNat } = await host.refresh();
      const ours = findings.filter(({ code }) => code === 'no-way-out' || code === 'no-outbound-nat');
      return [
        ...ours.map(({ severity, code, subject }) => `${severity} ${code} ${subject}`),
        `NAT ${outboundNat}`,
        ...warnings.filter((text) => text.includes('default route')),
      ];
    };
    const [needed] = (await diagnose({ netns: machine.node.name, egressNic: 'eth0' })).filter(
      ({ code }) => code === 'no-outbound-nat',
    );
    expect(needed?.problem).toMatch(/need a route to it by the address of eth0, .*; this was not checked$/);
    const note = 'note no-outbound-nat 192.168.15.0/24';
    expect(await look()).toEqual([note, 'NAT false']);
    await machine.node.ip('route', 'delete', 'default');
    const warning = 'the host has no default route: instances and floating addresses reach only its subnets';
    expect(await look()).toEqual(['warning no-way-out default route', note, 'NAT false', warning]);
    // Two halves are a default route, too.
    for (const half of ['0.0.0.0/1', '128.0.0.0/1']) await machine.node.ip('route', 'add', half, 'via', '10.0.0.1');
    await machine.open({ outboundNat: true, updateSettings: true });
    expect(await look()).toEqual(['NAT true']);
  });

  test('with the root of a user namespace runs networks with DHCP and DNS', async () => {
    const prepare = [
      'mount -t tmpfs none /run && mkdir /run/netns',
      'ip link add eth0 type veth peer name up0 && ip link set eth0 up && ip link set up0 up',
      'ip address add 10.0.0.74/24 dev eth0 && ip link set lo up',
      'cat /proc/self/uid_map /proc/self/setgroups',
    ].join(' && ');
    const container = 'unshare --net=/run/netns/c1 true';
    const lookUp = 'nsenter --net=/run/netns/c1 dig +short @172.16.0.1 web.vethwork.internal';
    const { egressNic, floatingNetwork, stateDir } = machine.options;
    const options = { egressNic, floatingNetwork, stateDir, dnsServers: [] };
    const outcomes = await play(
      [
        { step: 'sh', command: prepare },
        { step: 'open' },
        { step: 'create', provideDns: true },
        { step: 'sh', command: `touch /run/netns/c1 && ${container}` },
        { step: 'attach', options: { netns: 'c1', configure: true, hostname: 'web', address: '172.16.0.9' } },
        { step: 'sh', command: lookUp },
        { step: 'sh', command: 'ip -o link | cut -d: -f2; stat -c %u /run/vethwork/*/*/names' },
        { step: 'remove' },
      ],
      ['-U', '-r', '-n', '-m'],
      options,
    );
    // Positive control: no other id than that of root is mapped, and the groups cannot be changed.
    expect(outcomes[0]?.stdout).toMatch(/^\s*0\s+\d+\s+1\ndeny\n$/);
    expect(outcomes.map(({ error }) => error)).toEqual(outcomes.map(() => undefined));
    expect(outcomes[5]?.stdout?.trim()).toBe('172.16.0.9');
  });

  test('of a container that has a link of the name gives an error that names the option', async () => {
    const host = await machine.open();
    const network = await host.createNetwork({ name: 'demo', netblock: '172.16.0.0/24', provideDhcp: false });
    const guest = await machine.guest();
    await guest.ip('link', 'add', 'eth0', 'type', 'bridge');
    await guest.ip('link', 'property', 'add', 'dev', 'eth0', 'altname', 'uplink0');
    const before = [await picture(machine.node), await picture(guest), await host.listInterfaces()];
    for (const [name, options] of Object.entries({ eth0: {}, uplink0: { name: 'uplink0' } })) {
      const place = { netns: guest.name, ...options };
      for (const call of [() => network.attach(place), () => network.ensureInterface(place)]) {
        expect(await rejection(call())).toMatchObject({
          code: 'ERR_VETHWORK_CONFLICT',
          message: `the namespace ${guest.name} has a link ${name} already: choose another name with the option name`,
        });
      }
    }
    expect([await picture(machine.node), await picture(guest), await host.listInterfaces()]).toEqual(before);
    await network.attach({ netns: guest.name, name: 'eth1' });
  });
});
