import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AttachOptions, Network } from '../../../src/api/types.js';
import { inside, start } from '../../../src/demo/tools.js';
import { ipLink, ipLinks } from '../../support/kernel.js';
import { eventually, json, privileged, sh, TestNamespace } from '../../support/namespaces.js';
import { ping } from '../../support/ping.js';
import { askTcp, Ear, listen, pings, serveTcp } from '../../support/traffic.js';
import { type Instance, Walkthrough } from '../../support/walkthrough.js';

const VNI = 0xe2300f;
const OVERLAY = 8900;
const EGRESS = 1500;
const ROUTED = '192.168.15.30';

const BULK = 1_000_000;

/** Sends many bytes over a TCP connection; how many arrived. */
async function exchange(from: TestNamespace, to: TestNamespace, address: string, way: 'upload' | 'download') {
  const send = `head -c ${BULK} /dev/zero`;
  const connection = `TCP4:${address}:7000,connect-timeout=3`;
  const [server, client] =
    way === 'upload'
      ? ['wc -c >&2', `${send} | timeout 15 socat -u - ${connection}`]
      : [send, `timeout 15 socat -u ${connection} - | wc -c`];
  const direction = way === 'upload' ? '-u' : '-U';
  const listener = start(
    inside(to.name, 'socat', '-d', '-d', direction, 'TCP4-LISTEN:7000,reuseaddr', `SYSTEM:${server}`),
  );
  try {
    await listener.until(/listening on/);
    const count = await from.run('sh', '-c', client);
    if (way === 'download') return Number(count);
    await listener.until(new RegExp(`^${BULK}$`, 'm'), 15_000);
    return BULK;
  } finally {
    await listener.stop();
  }
}

describe.skipIf(!privileged)('the overlay bridge', () => {
  let scene: Walkthrough;
  let network: Network;
  let router: TestNamespace;
  let one: Instance;
  let two: Instance;
  let three: Instance;

  beforeAll(async () => {
    scene = await Walkthrough.open();
    network = await scene.network({ vni: VNI });
    router = scene.inside(network);
    one = await scene.client(network, 'one');
    two = await scene.client(network, 'two');
    three = await scene.container(network, 'three');
  });

  afterAll(() => scene?.[Symbol.asyncDispose]());

  const bridge = () => ipLink(scene.machine, 'br-vxlan-e2300f');

  /** MTUs of everything that the network's frames, and its packets on the egress side, pass. */
  async function mtus(): Promise<Record<string, number>> {
    const links = [
      ...(await ipLinks(scene.machine)).filter(({ ifname }) => ifname !== 'lo' && ifname !== 'eth0'),
      ...(await ipLinks(router)).filter(({ ifname }) => /e2300f|^flt-/.test(ifname)),
    ];
    const guests = await Promise.all([one, two, three].map(({ namespace }) => ipLink(namespace, 'eth0')));
    return Object.fromEntries([
      ...links
        .filter(({ ifname }) => !/^(tunl|gre|erspan|ip6|sit|ip_vti)/.test(ifname))
        .map(({ ifname, mtu }) => [ifname, mtu]),
      ...guests.map(({ mtu }, index) => [`guest ${index}`, mtu]),
    ]);
  }

  function expectEqualMtus(all: Record<string, number>): void {
    const wanted = Object.keys(all).map((name) => [name, /^(egr-|flt-)/.test(name) ? EGRESS : OVERLAY]);
    expect(all).toEqual(Object.fromEntries(wanted));
  }

  /** At full size everywhere; one byte more is refused by the sender itself, so that nothing vanishes silently. */
  async function expectFullSize(): Promise<void> {
    const { address } = two.nic.info;
    for (const target of [address, three.nic.info.address, '172.16.0.1']) {
      expect(await pings(one.namespace, target, OVERLAY), target).toBe(true);
    }
    expect(await pings(router, address, OVERLAY)).toBe(true);
    const { stdout, stderr } = await one.namespace.attempt('ping', '-c', '1', '-M', 'do', '-s', '8873', address);
    expect(stdout + stderr).toContain(`mtu=${OVERLAY}`);
  }

  it('frames between two instances reach neither a third nor the mesh', async () => {
    const { address } = two.nic.info;
    expect(await pings(one.namespace, address)).toBe(true);
    const { device } = three.nic.info;
    const places = { third: [scene.machine, device], mesh: [scene.machine, 'vxlan-e2300f'] } as const;
    const heard = await listen({ ...places, second: [scene.machine, two.nic.info.device] }, 'icmp', () =>
      one.namespace.run('ping', '-c', '200', '-i', '0.01', '-q', address),
    );
    expect(heard.second.length).toBe(400);
    expect(heard.third).toEqual([]);
    expect(heard.mesh).toEqual([]);
    const { linkinfo } = await bridge();
    expect(linkinfo?.info_data?.ageing_time).toBe(30000);
  });

  it('has the same MTU as all its ports, and DHCP announces it', async () => {
    expect(one.lease?.mtu).toBe(String(OVERLAY));
    // A DHCP client would set the MTU that it receives.
    for (const { namespace } of [one, two]) await namespace.ip('link', 'set', 'eth0', 'mtu', one.lease?.mtu as string);
    await one.nic.float({ address: '192.168.15.29' });
    expectEqualMtus(await mtus());
    await expectFullSize();
  });

  it('packets that are too large for NAT get an ICMP error, and full-size packets pass', async () => {
    expect(await pings(one.namespace, '10.0.0.1', EGRESS)).toBe(true);
    expect(await pings(scene.outside, '192.168.15.29', EGRESS)).toBe(true);
    const { stdout } = await two.namespace.attempt(
      'ping',
      '-n',
      '-c',
      '1',
      '-W',
      '2',
      '-M',
      'do',
      '-s',
      '1473',
      '10.0.0.1',
    );
    expect(stdout).toMatch(/From 172\.16\.0\.1 .*Frag(mentation)? needed.*mtu = 1500/);
    const { stdout: fromHost } = await scene.outside.attempt(
      ...(['ping', '-n', '-c', '1', '-W', '2', '-M', 'do', '-s', '1473', '192.168.15.29'] as const),
    );
    expect(fromHost).toMatch(/From 10\.0\.0\.74 .*Frag(mentation)? needed.*mtu = 1500/);
  });

  it.each([
    ['out through the NAT', () => ({ from: three.namespace, to: scene.outside, address: '10.0.0.1' })],
    ['in to a floating address', () => ({ from: scene.outside, to: one.namespace, address: '192.168.15.29' })],
    ['in to a routed address', () => ({ from: scene.outside, to: two.namespace, address: ROUTED })],
  ])('TCP uses segments that fit, in both directions: %s', async (_way, ends) => {
    if (!(await network.refresh()).routedAddresses.includes(ROUTED)) {
      await network.routeAddress({ address: ROUTED });
      await two.namespace.ip('address', 'add', `${ROUTED}/32`, 'dev', 'eth0');
    }
    const { from, to, address } = ends();
    // Both ends announce segments of nearly 8,900 bytes, and no router changes that.
    const upload = await exchange(from, to, address, 'upload');
    const download = await exchange(from, to, address, 'download');
    expect([upload, download]).toEqual([BULK, BULK]);
  });

  it('keeps its MAC and MTU while 50 ports are attached and detached, as does the gateway', async () => {
    const before = await bridge();
    const gateway = await ipLink(router, 'veth-e2300f-i');
    const seen = new Set<string>();
    const container = await TestNamespace.create('churn');
    await scene.machine.ip('link', 'add', 'vnet7', 'mtu', '1500', 'type', 'veth', 'peer', 'name', 'vnet8');
    const ways: AttachOptions[] = [
      { netns: container.name, name: 'eth0', configure: true },
      { tap: 'tap7' },
      { device: 'vnet7' },
    ];
    try {
      for (let round = 0; round < 50; round++) {
        // The lowest possible MAC: a bridge without an assigned MAC would use it.
        const mac = `02:00:00:00:00:${round.toString(16).padStart(2, '0')}`;
        const nic = await network.attach({ ...(ways[round % 3] as AttachOptions), mac });
        const { address, mtu } = await bridge();
        seen.add(`${address} ${mtu}`);
        await nic.detach();
      }
      // A port that another program adds, with its own MTU.
      await scene.machine.ip('link', 'set', 'vnet7', 'mtu', '1400', 'master', 'br-vxlan-e2300f', 'up');
      const { address, mtu } = await bridge();
      seen.add(`${address} ${mtu}`);
      await scene.machine.ip('link', 'delete', 'vnet7');
      await scene.host.drained();
    } finally {
      await container.remove();
    }
    expect([...seen]).toEqual([`${before.address} ${before.mtu}`]);
    expect((await ipLink(router, 'veth-e2300f-i')).address).toBe(gateway.address);
    expectEqualMtus(await mtus());
    await expectFullSize();
    expect(await scene.host.reconcile()).toEqual([]);
  });

  it('the gateway has the same MAC after a rebuild', async () => {
    const before = { bridge: (await bridge()).address, gateway: (await ipLink(router, 'veth-e2300f-i')).address };
    expect(await pings(one.namespace, '172.16.0.1')).toBe(true);
    await scene.machine.ip('link', 'delete', 'veth-e2300f-o');
    await scene.machine.ip('link', 'delete', 'br-vxlan-e2300f');
    expect(await scene.host.reconcile()).not.toEqual([]);
    expect(await scene.host.reconcile()).toEqual([]);
    expect({ bridge: (await bridge()).address, gateway: (await ipLink(router, 'veth-e2300f-i')).address }).toEqual(
      before,
    );
    // The ARP entries of the guests are still valid: no new request is needed.
    const heard = await listen({ guest: [one.namespace, 'eth0'] }, 'arp', async () => {
      expect(await pings(one.namespace, '172.16.0.1')).toBe(true);
    });
    expect(
      heard.guest.filter((line) => line.includes('who-has 172.16.0.1 tell') && line.includes('ff:ff:ff:ff:ff:ff')),
    ).toEqual([]);
    expectEqualMtus(await mtus());
    await expectFullSize();
  });
});

describe.skipIf(!privileged)('tenants and the host', () => {
  let scene: Walkthrough;
  let network: Network;
  let tenant: Instance;

  beforeAll(async () => {
    scene = await Walkthrough.open();
    network = await scene.network({ vni: VNI });
    // A port without anti-spoofing: otherwise its IPv6 packets would be dropped at the port.
    tenant = await scene.container(network, 'tenant', { antiSpoofing: false });
    await serveTcp(scene.machine, 'host', 2222);
    await serveTcp(scene.outside, 'outside', 2222);
  });

  afterAll(() => scene?.[Symbol.asyncDispose]());

  /** Whether anybody answers for an address on the tenant's link. */
  async function answered(address: string, ...source: string[]): Promise<boolean> {
    const ask = ['arping', '-c', '2', '-w', '2', '-I', 'eth0', ...source, address];
    const { stdout } = await tenant.namespace.attempt('busybox', ...ask);
    // Positive control: the request was sent.
    expect(stdout).toContain(`ARPING ${address}`);
    return /reply from/i.test(stdout);
  }

  const hostAddresses = ['10.0.0.74', '192.168.15.1'];

  it('the host answers no ARP request on the overlay bridge', async () => {
    // Also for an ARP probe.
    const asked = hostAddresses.flatMap((address) => [answered(address), answered(address, '-D')]);
    expect(await Promise.all(asked)).toEqual(asked.map(() => false));
    // Positive control: the gateway answers the same request.
    expect(await answered('172.16.0.1')).toBe(true);
  });

  it('the host does not answer a tenant with a routed address either', async () => {
    await network.routeAddress({ address: ROUTED });
    await tenant.namespace.ip('address', 'add', `${ROUTED}/32`, 'dev', 'eth0');
    expect(await pings(scene.machine, ROUTED)).toBe(true);
    const asked = hostAddresses.map((address) => answered(address, '-s', ROUTED));
    expect(await Promise.all(asked)).toEqual(asked.map(() => false));
    expect(await answered('172.16.0.1', '-s', ROUTED)).toBe(true);
  });

  it('a tenant that knows the MAC of the bridge reaches nothing through it', async () => {
    const { address: mac } = await ipLink(scene.machine, 'br-vxlan-e2300f');
    for (const address of [...hostAddresses, '10.0.0.1']) {
      await tenant.namespace.ip('route', 'replace', `${address}/32`, 'dev', 'eth0');
      await tenant.namespace.ip('neighbour', 'replace', address, 'lladdr', mac, 'dev', 'eth0', 'nud', 'permanent');
      // From its own address, and from the one that host and outside can answer.
      const sources = [tenant.nic.info.address, ROUTED];
      const echoes = sources.map((source) => ping(tenant.namespace, address, '-W', '1', '-I', source));
      const answers = sources.map((source) => askTcp(tenant.namespace, address, 2222, `bind=${source}`));
      expect(await Promise.all(echoes), address).toEqual([false, false]);
      expect(await Promise.all(answers), address).toEqual(['', '']);
    }
    const { address: gateway } = await ipLink(scene.inside(network), 'veth-e2300f-i');
    await tenant.namespace.ip('neighbour', 'replace', '10.0.0.1', 'lladdr', gateway, 'dev', 'eth0', 'nud', 'permanent');
    // Positive control: the same through the MAC of the router, and the server of the host runs.
    expect(await eventually(() => pings(tenant.namespace, '10.0.0.1'))).toBe(true);
    expect(await askTcp(tenant.namespace, '10.0.0.1', 2222)).toMatch(/^outside /);
    for (const address of hostAddresses) expect(await askTcp(scene.machine, address, 2222)).toMatch(/^host /);
  });

  it('no device of the network has an IPv6 address on the host, and none answers IPv6', async () => {
    const all = await json<{ ifname: string; addr_info: { family: string }[] }[]>(
      'ip',
      '-n',
      scene.machine.name,
      '-j',
      'address',
    );
    const ours = all.filter(({ ifname }) => /e2300f|^egr-br-|^vnet-/.test(ifname));
    expect(ours.length).toBe(6);
    expect(ours.flatMap(({ addr_info }) => addr_info).filter(({ family }) => family === 'inet6')).toEqual([]);
    // All nodes are asked: another instance answers, the host and the network's router do not.
    const { namespace: neighbour } = await scene.container(network, 'neighbour', { antiSpoofing: false });
    const { stdout } = await tenant.namespace.attempt('ping', '-6', '-c', '2', '-W', '1', '-I', 'eth0', 'ff02::1');
    const links = (await ipLinks(scene.machine)).map(({ address }) => linkLocal(address));
    const router = await ipLink(scene.inside(network), 'veth-e2300f-i');
    const answered = [...stdout.matchAll(/from (fe80:[0-9a-f:]+)/g)].map(([, address]) => address as string);
    const [, own] = /inet6 (fe80:\S+)\//.exec(await neighbour.ip('-6', 'address', 'show', 'dev', 'eth0')) ?? [];
    expect(answered).toContain(own);
    expect(answered).not.toContain(linkLocal(router.address));
    expect(answered.filter((address) => links.includes(address))).toEqual([]);
  });

  it('neither host nor router accepts router advertisements of a tenant', async () => {
    // Positive control: a namespace that accepts router advertisements configures an address.
    const { namespace: believer } = await scene.container(network, 'believer', { antiSpoofing: false });
    // At the port: the bridge passes none to the host.
    await using ear = await Ear.open(scene.machine, tenant.nic.info.device, 'icmp6 and ip6[40] == 134');
    await tenant.namespace.run('python3', '-c', ADVERTISE, 'eth0');
    await ear.until(/router advertisement/);
    await eventually(async () => (await believer.ip('-6', 'route', 'show', 'default')).includes('via fe80:'));
    for (const netns of [scene.machine.name, network.uuid]) {
      expect(await sh('ip', '-n', netns, '-6', 'route', 'show', 'default'), netns).toBe('');
      expect(await sh('ip', '-n', netns, '-6', 'address', 'show', 'scope', 'global'), netns).toBe('');
    }
  });
});

/** A router advertisement with a prefix, from the device's link-local address. */
const ADVERTISE = `
import socket, struct, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
index = socket.if_nametoindex(sys.argv[1])
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
prefix = socket.inet_pton(socket.AF_INET6, '2001:db8:1::')
option = struct.pack('!BBBBIII', 3, 4, 64, 0xc0, 3600, 3600, 0) + prefix
for _ in range(3):
    s.sendto(struct.pack('!BBHBBHII', 134, 0, 0, 64, 0, 1800, 0, 0) + option, ('ff02::1', 0, 0, index))
`;

function linkLocal(mac: string): string {
  const [a = '0', b = '0', c = '0', d = '0', e = '0', f = '0'] = mac.split(':');
  const group = (high: string, low: string) => Number.parseInt(high + low, 16).toString(16);
  const first = (Number.parseInt(a, 16) ^ 2).toString(16);
  return `fe80::${group(first, b)}:${group(c, 'ff')}:${group('fe', d)}:${group(e, f)}`;
}

describe.skipIf(!privileged)(
  'a FORWARD chain of another tool with policy drop, where bridged frames pass iptables',
  () => {
    const sysctls = { 'bridge.bridge-nf-call-iptables': 1 };
    /** As Docker does. */
    const dropForwarded = (machine: TestNamespace) => machine.run('iptables', '-P', 'FORWARD', 'DROP');
    /** Without times and counters. */
    const rules = async (machine: TestNamespace) =>
      (await machine.run('iptables-save')).replace(/^#.*$/gm, '').replace(/\[\d+:\d+\]/g, '');

    it('is reported, and not changed', async () => {
      await using scene = await Walkthrough.open({ sysctls });
      expect((await scene.host.refresh()).warnings).toBeUndefined();
      await dropForwarded(scene.machine);
      const before = await rules(scene.machine);
      expect((await scene.host.refresh()).warnings).toEqual([expect.stringMatching(/FORWARD.*disableBridgeNetfilter/)]);
      const network = await scene.network();
      const one = await scene.container(network, 'one');
      const two = await scene.container(network, 'two');
      // The warning is justified: the ping fails.
      expect(await pings(one.namespace, two.nic.info.address)).toBe(false);
      expect(await rules(scene.machine)).toBe(before);
      await scene.machine.run('iptables', '-P', 'FORWARD', 'ACCEPT');
      expect(await pings(one.namespace, two.nic.info.address)).toBe(true);
    });

    it('has no effect with disableBridgeNetfilter', async () => {
      await using scene = await Walkthrough.open({ sysctls, options: { disableBridgeNetfilter: true } });
      await dropForwarded(scene.machine);
      expect((await scene.host.refresh()).warnings).toBeUndefined();
      const network = await scene.network();
      const one = await scene.container(network, 'one');
      const two = await scene.container(network, 'two');
      expect(await pings(one.namespace, two.nic.info.address)).toBe(true);
      expect(await pings(one.namespace, '172.16.0.1')).toBe(true);
      expect(await rules(scene.machine)).toContain(':FORWARD DROP');
    });

    it('no rule of vethwork matches a foreign interface', async () => {
      await using scene = await Walkthrough.open({ sysctls });
      await scene.container(await scene.network(), 'one');
      const ruleset = await scene.machine.run('nft', 'list', 'table', 'ip', 'vethwork');
      const matched = [...ruleset.matchAll(/[io]ifname "([^"]+)"/g)].map(([, name]) => name);
      expect(new Set(matched)).toEqual(new Set(['br-vxlan-*', 'egr-br-*']));
      expect(ruleset).not.toContain('policy drop');
    });
  },
);
