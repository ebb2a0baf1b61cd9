import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { run } from '../../../src/cli/program.js';
import { diagnose, type Finding } from '../../../src/index.js';
import { egressBridgeName } from '../../../src/plan/names.js';
import { TestHost } from '../../support/host.js';
import { attempt, eventually, privileged, sh, TestNamespace } from '../../support/namespaces.js';

const bridgeNetfilter = 'net.bridge.bridge-nf-call-iptables';

describe.skipIf(!privileged)('the doctor', () => {
  const folders: string[] = [];
  afterEach(async () => {
    for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
  });

  /** What the machine under the tests is like: the same before and after a fault. */
  const inherent = (findings: readonly Finding[]) => findings.map(({ code, subject }) => `${code} ${subject}`).sort();

  /** A folder with these files, in place of the machine's. */
  async function machineOf(files: Record<string, string>): Promise<string> {
    const root = await mkdtemp(join(tmpdir(), 'vethwork-doctor-'));
    folders.push(root);
    for (const [path, text] of Object.entries({ 'dev/net/tun': '', 'run/x': '', ...files })) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), text);
    }
    return root;
  }

  /** The machine's neighbour table, as two CPUs tell of it. */
  function neighbourTable({ entries, fulls, most }: { entries: number; fulls: number; most: number }) {
    const row = [entries, 0, fulls].map((count) => count.toString(16).padStart(8, '0')).join(' ');
    return {
      'proc/net/stat/arp_cache': `entries  allocs   table_fulls\n${row}\n${row.slice(0, -8)}00000000\n`,
      'proc/sys/net/ipv4/neigh/default/gc_thresh2': `${most / 2}\n`,
      'proc/sys/net/ipv4/neigh/default/gc_thresh3': `${most}\n`,
    };
  }

  type Plant = (machine: TestHost) => Promise<unknown>;
  const nft = ({ node }: TestHost, text: string) => node.run('nft', '--', ...text.split(' '));

  test.each<[what: string, plant: Plant, expected: Partial<Finding>[]]>([
    [
      'a chain of another tool that drops what is forwarded',
      async (machine) => {
        await machine.node.run('sysctl', '-qw', `${bridgeNetfilter}=0`);
        await nft(machine, 'add table inet their');
        await nft(machine, 'add chain inet their keeper { type filter hook forward priority 0 ; policy drop ; }');
      },
      [
        {
          severity: 'warning',
          code: 'forward-drop',
          subject: 'chain keeper of the table inet their',
          problem: expect.stringContaining('eth0'),
        },
      ],
    ],
    [
      'the same by iptables, where bridged frames pass it',
      async ({ node }) => {
        await node.run('sysctl', '-qw', `${bridgeNetfilter}=1`);
        await node.run('iptables', '-P', 'FORWARD', 'DROP');
      },
      [
        { severity: 'error', code: 'bridge-netfilter', subject: bridgeNetfilter },
        { severity: 'warning', code: 'forward-drop', subject: 'chain FORWARD of the table ip filter' },
      ],
    ],
    [
      'a chain that drops what bridges forward',
      async (machine) => {
        await nft(machine, 'add table bridge their');
        await nft(machine, 'add chain bridge their keeper { type filter hook forward priority 0 ; policy drop ; }');
      },
      [{ severity: 'error', code: 'bridge-drop', subject: 'chain keeper of the table bridge their' }],
    ],
    [
      'a strict path filter on the egress bridge',
      async ({ node }) => {
        await node.run('sysctl', '-qw', 'net.ipv4.conf.all.rp_filter=1', 'net.ipv4.conf.egr-br-eth0.rp_filter=0');
      },
      [{ severity: 'error', code: 'rp-filter', subject: 'net.ipv4.conf.egr-br-eth0.rp_filter' }],
    ],
    [
      'forwarding that was switched off',
      ({ node }) => node.run('sysctl', '-qw', 'net.ipv4.conf.eth0.forwarding=0'),
      [{ severity: 'error', code: 'forwarding', subject: 'net.ipv4.conf.eth0.forwarding' }],
    ],
    [
      'a host without a default route',
      ({ node }) => node.ip('route', 'delete', 'default'),
      [{ severity: 'warning', code: 'no-way-out', subject: 'default route' }],
    ],
    [
      'a VXLAN link of another program',
      ({ node }) => node.ip('link', 'add', 'flannel.1', 'type', 'vxlan', 'id', '77', 'dstport', '4789'),
      [{ severity: 'note', code: 'foreign-vxlan', subject: 'flannel.1', problem: expect.stringContaining('77') }],
    ],
  ])('finds %s, and changes nothing', async (_what, plant, expected) => {
    const machine = await TestHost.create();
    const host = await machine.open();
    try {
      const options = { netns: machine.node.name, egressNic: 'eth0' };
      const before = inherent(await diagnose(options));
      await plant(machine);
      const picture = async () => [
        await machine.node.run('nft', '-s', 'list', 'ruleset'),
        // A bridge without ports loses its carrier a moment after it is up.
        (await machine.node.ip('-o', 'link')).replaceAll(/<[^>]*>|state \w+/g, ''),
        await machine.node.run('sh', '-c', 'sysctl -a 2>/dev/null | grep -E "rp_filter|forwarding|bridge-nf"'),
        (await sh('ip', 'netns')).includes('vethwork-doctor'),
      ];
      const planted = await picture();
      const findings = await diagnose(options);
      expect(await picture()).toEqual(planted);
      const found = findings.filter(({ code, subject }) => !before.includes(`${code} ${subject}`));
      expect(found.sort((left, right) => left.code.localeCompare(right.code))).toMatchObject(expected);
      for (const { problem, remedy } of found) expect(problem && remedy).toBeTruthy();
    } finally {
      await host.reconcile();
      await machine.remove();
    }
  });

  test.each<[what: string, files: Record<string, string>, expected: Partial<Finding>[]]>([
    [
      'nftables.service, which flushes the ruleset',
      {
        'etc/nftables.conf': '#!/usr/sbin/nft -f\n\nflush ruleset\n',
        'etc/systemd/system/sysinit.target.wants/nftables.service': '[Unit]\n',
      },
      [{ severity: 'warning', code: 'ruleset-flush', subject: '/etc/nftables.conf' }],
    ],
    ['nothing where that is not enabled', { 'etc/nftables.conf': 'flush ruleset\n' }, []],
    [
      'systemd-networkd, which takes our links for its own',
      {
        'run/systemd/netif/state': '',
        'etc/systemd/network/50-all.network': '[Match]\nName=v*\n[Network]\nDHCP=yes\n',
      },
      [{ severity: 'error', code: 'networkd', subject: '/etc/systemd/network/50-all.network' }],
    ],
    [
      'nothing where a file before says to leave them alone, or it is about other links',
      {
        'run/systemd/netif/state': '',
        'run/systemd/network/10-ours.network':
          '[Match]\nName=egr-* br-vxlan-* vxlan-* veth-* flt-* vnet-*\n[Link]\nUnmanaged=yes\n',
        'etc/systemd/network/50-all.network': '[Match]\nName=*\n[Network]\nDHCP=yes\n',
        'etc/systemd/network/05-nic.network': '[Match]\nName=!v* e* br* f*\n[Network]\nDHCP=yes\n',
        'usr/lib/systemd/network/01-ve.network': '[Match]\nKind=veth\nName=ve-*\n[Network]\nDHCP=yes\n',
      },
      [],
    ],
    [
      'NetworkManager, which is not told to leave them alone',
      { 'run/NetworkManager/conf.d/x.conf': '', 'etc/NetworkManager/NetworkManager.conf': '[main]\n' },
      [{ severity: 'note', code: 'network-manager' }],
    ],
    [
      'nothing where it is told',
      {
        'run/NetworkManager/pid': '',
        'etc/NetworkManager/conf.d/v.conf': '[keyfile]\nunmanaged-devices=interface-name:br-vxlan-*\n',
      },
      [],
    ],
    [
      'the hypervisor that swallows port 8472',
      { 'sys/class/dmi/id/sys_vendor': 'VMware, Inc.\n' },
      [
        { severity: 'note', code: 'vxlan-offload' },
        { severity: 'error', code: 'vxlan-port' },
      ],
    ],
    [
      "a neighbour table of the kernel's size that was full",
      neighbourTable({ entries: 10, fulls: 3, most: 1024 }),
      [
        {
          severity: 'note',
          code: 'neighbour-table',
          subject: 'net.ipv4.neigh.default.gc_thresh3',
          problem: expect.stringContaining('full 3 times'),
          remedy: expect.stringContaining('gc_thresh3=4096'),
        },
      ],
    ],
    [
      'a neighbour table with more entries than are kept',
      neighbourTable({ entries: 3000, fulls: 0, most: 4096 }),
      [{ severity: 'warning', code: 'neighbour-table', remedy: expect.stringContaining('--neighbour-table 16384') }],
    ],
    ['nothing where it is large enough by now', neighbourTable({ entries: 3000, fulls: 3, most: 16384 }), []],
    [
      'rules of the older iptables',
      { 'proc/net/ip_tables_names': 'nat\nfilter\n' },
      [{ severity: 'note', code: 'legacy-iptables' }],
    ],
  ])('finds %s', async (_what, files, expected) => {
    const before = inherent(await diagnose({ root: await machineOf({}), vxlanPort: 8472 }));
    const findings = await diagnose({ root: await machineOf(files), vxlanPort: 8472 });
    const found = findings.filter(({ code, subject }) => !before.includes(`${code} ${subject}`));
    expect(found).toHaveLength(expected.length);
    expect(found).toMatchObject(expected);
  });

  test('finds disabled forwarding on a NIC whose name has a dot, and its remedy works', async () => {
    const nic = 'eth0.100';
    await using node = await TestNamespace.create('dotted');
    await node.ip('link', 'add', nic, 'type', 'bridge');
    await node.ip('link', 'set', nic, 'up');
    await node.ip('link', 'add', egressBridgeName(nic), 'type', 'bridge');
    const look = async () =>
      (await diagnose({ netns: node.name, egressNic: nic })).filter(({ code }) => code === 'forwarding');
    await node.run('sysctl', '-qw', 'net.ipv4.ip_forward=1');
    expect(await look()).toEqual([]);
    await node.run('sysctl', '-qw', 'net.ipv4.conf.eth0/100.forwarding=0');
    const [finding] = await look();
    expect(finding).toMatchObject({ severity: 'error', subject: 'net.ipv4.conf.eth0/100.forwarding' });
    await node.run(...((finding as Finding).remedy.split(' ') as [string, ...string[]]));
    expect(await look()).toEqual([]);
  });

  test('finds a missing dnsmasq and a missing tun device', async () => {
    const root = await machineOf({});
    await rm(join(root, 'dev'), { recursive: true });
    const program = new URL('../../../dist/cli/main.js', import.meta.url).pathname;
    // A machine without the folders that contain dnsmasq.
    const script = `mount -t tmpfs none /usr/sbin && mount -t tmpfs none /usr/local/sbin; exec "$@"`;
    const argv = [process.execPath, program, '--json', '--state-dir', root, 'doctor'];
    const { stdout, exitCode } = await attempt('unshare', '-m', 'sh', '-c', script, 'sh', ...argv);
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toContainEqual(expect.objectContaining({ severity: 'error', code: 'dnsmasq' }));
    const findings = await diagnose({ root });
    expect(findings).toContainEqual(expect.objectContaining({ code: 'tun', subject: '/dev/net/tun' }));
  });

  test('names the missing capability, and runs no check that needs it', async () => {
    const program = new URL('../../../dist/cli/main.js', import.meta.url).pathname;
    const argv = [process.execPath, program, '--json', '--state-dir', await machineOf({}), 'doctor'];
    const drop = ['--bounding-set', '-sys_admin', '--inh-caps', '-sys_admin'];
    const { stdout, exitCode } = await attempt('setpriv', ...drop, ...argv);
    expect(exitCode).toBe(1);
    const subjects = (JSON.parse(stdout) as Finding[]).map(({ code, subject }) => `${code} ${subject}`);
    expect(subjects.filter((text) => text.startsWith('capability'))).toEqual(['capability CAP_SYS_ADMIN']);
  });

  test('has an exit code for the severity of its findings', async () => {
    await using namespace = await TestNamespace.create('doctor');
    await namespace.run('sysctl', '-qw', `${bridgeNetfilter}=0`);
    const state = await machineOf({});
    const doctor = async () => {
      let stdout = '';
      const output = { write: (text: string) => (stdout += text) };
      const code = await run(['--state-dir', state, '--host-netns', namespace.name, 'doctor'], {
        stdout: output,
        stderr: output,
      });
      return { code, stdout };
    };
    // Other tests may fill the machine's own neighbour table for a while.
    const healthy = await eventually(async () => {
      const told = await doctor();
      return told.stdout.startsWith('warning: net.ipv4.neigh') ? undefined : told;
    });
    expect(healthy?.code).toBe(0);
    // It may also have been full before.
    expect(healthy?.stdout).toMatch(/^(nothing found|note: net\.ipv4\.neigh.*\n {4}remedy: .*)\n$/);
    await namespace.run('nft', 'add table ip their');
    await namespace.run('nft', 'add chain ip their drops { type filter hook forward priority 0 ; policy drop ; }');
    const ill = await doctor();
    expect(ill.code).toBe(1);
    expect(ill.stdout).toMatch(/^warning: the chain drops of the table ip their .*\n {4}remedy: /);
  });
});
