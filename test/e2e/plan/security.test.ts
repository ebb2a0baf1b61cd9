import { chown, mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runtimeRoot } from '../../../src/dnsmasq/index.js';
import { type AttachOptions, type Network, openHost } from '../../../src/index.js';
import { lookUp } from '../../support/dns.js';
import { attempt, connect, eventually, privileged, TestNamespace } from '../../support/namespaces.js';
import { ping } from '../../support/ping.js';
import { expectAnsweredOnly } from '../../support/refusal.js';
import { askTcp, Ear, listen, pings, serveTcp, TCP } from '../../support/traffic.js';
import { type Instance, Walkthrough } from '../../support/walkthrough.js';

describe.skipIf(!privileged)('spoofed packets of instances', () => {
  let stage: Walkthrough;
  let network: Network;
  let neighbour: Instance;
  let honest: string;

  beforeAll(async () => {
    stage = await Walkthrough.open();
    network = await stage.network();
    neighbour = await stage.container(network, 'neighbour', { address: '172.16.0.2' });
    honest = neighbour.nic.info.address;
  });
  afterAll(async () => {
    await stage?.[Symbol.asyncDispose]();
  });

  /** What reaches a neighbour's link of what an instance says: before a ping of the gateway, which comes after it. */
  async function heard(filter: string, say: () => Promise<unknown>): Promise<string[]> {
    const isGateway = 'icmp and src host 172.16.0.1';
    await using ear = await Ear.open(neighbour.namespace, 'eth0', '-Q', 'in', `(${filter}) or (${isGateway})`);
    await say();
    await pings(TestNamespace.named(network.uuid), honest);
    await ear.until(/ 172\.16\.0\.1 > /);
    return (await ear.close()).filter((line) => !line.includes(' 172.16.0.1 > '));
  }

  /** What one can say that it should not. */
  const lies: [what: string, filter: string, tell: (liar: TestNamespace) => Promise<unknown>][] = [
    [
      'another MAC',
      'ether src 02:de:ad:be:ef:00',
      async (liar) => {
        await liar.ip('link', 'set', 'eth0', 'address', '02:de:ad:be:ef:00');
        await pings(liar, honest);
      },
    ],
    [
      'another IPv4 address',
      'ip src 172.16.0.200',
      async (liar) => {
        await liar.ip('neigh', 'replace', honest, 'lladdr', neighbour.nic.info.mac, 'dev', 'eth0');
        await liar.ip('address', 'add', '172.16.0.200/32', 'dev', 'eth0');
        await liar.attempt('ping', '-c1', '-W1', '-I', '172.16.0.200', honest);
      },
    ],
    [
      'another address in ARP',
      'arp and arp[14:4] = 0xac1000c9',
      async (liar) => {
        await liar.ip('address', 'add', '172.16.0.201/32', 'dev', 'eth0');
        await liar.attempt('busybox', 'arping', '-c', '1', '-w', '1', '-U', '-I', 'eth0', '172.16.0.201');
      },
    ],
    [
      'what a DHCP server says',
      'udp and src port 67',
      (liar) => liar.attempt('socat', '-u', '/etc/hostname', `UDP4-SENDTO:${honest}:68,sourceport=67`),
    ],
    [
      'IPv6',
      'ip6',
      async (liar) => {
        await liar.ip('address', 'add', 'fe80::1:2/64', 'dev', 'eth0', 'nodad');
        await liar.attempt('ping', '-6', '-c1', '-W1', 'ff02::1%eth0');
      },
    ],
  ];

  test.each(lies)('are dropped: %s', async (what, filter, tell) => {
    const name = what.replaceAll(/\W/g, '').slice(0, 12);
    const liar = await stage.container(network, `liar${name}`, { address: '172.16.0.4' });
    await eventually(() => pings(liar.namespace, honest));
    expect(await heard(filter, () => tell(liar.namespace))).toEqual([]);
    await liar.nic.detach();
  });

  test.each(lies)('pass without anti-spoofing: %s', async (what, filter, tell) => {
    const name = what.replaceAll(/\W/g, '').slice(0, 12);
    const trusted = await stage.container(network, `free${name}`, {
      address: '172.16.0.5',
      antiSpoofing: false,
    } as Partial<AttachOptions>);
    await eventually(() => pings(trusted.namespace, honest));
    expect(await heard(filter, () => tell(trusted.namespace))).not.toEqual([]);
    await trusted.nic.detach();
  });

  test('from allowed addresses pass, and no others', async () => {
    const options = { address: '172.16.0.3', allowedAddresses: ['172.16.0.210'] } as Partial<AttachOptions>;
    const { namespace, nic } = await stage.container(network, 'router', options);
    expect(nic.info).toMatchObject({ antiSpoofing: true, allowedAddresses: ['172.16.0.210'] });
    for (const address of ['172.16.0.210', '172.16.0.211']) {
      await namespace.ip('address', 'add', `${address}/24`, 'dev', 'eth0');
    }
    const from = (address: string) => ping(namespace, honest, '-W1', '-I', address);
    expect(await from('172.16.0.210')).toBe(true);
    expect(await from('172.16.0.211')).toBe(false);
    await nic.detach();
  });

  test('the sets hold the attached interfaces, and the number of rules is constant', async () => {
    const table = () => stage.machine.run('nft', '-s', 'list', 'table', 'bridge', 'vethwork');
    const rules = () => stage.machine.run('nft', '-s', '-t', 'list', 'table', 'bridge', 'vethwork');
    const before = [await table(), await rules()];
    const { nic } = await stage.container(network, 'counted');
    const routed = await network.routeAddress();
    const after = await table();
    for (const text of [nic.info.device, nic.info.mac, nic.info.address, routed]) expect(after).toContain(text);
    // nft prints the key of a map by name as text only if the map records its byte order.
    const guarded = await stage.machine.run('nft', 'list', 'map', 'bridge', 'vethwork', 'guarded');
    expect(guarded).toContain(`"${nic.info.device}" : `);
    expect(await rules()).toBe(before[1]);
    await nic.detach();
    await network.unrouteAddress(routed);
    expect(await table()).toBe(before[0]);
  });
});

describe.skipIf(!privileged)('instances and the host', () => {
  test('instances cannot reach services of the host, and can reach the outside', async () => {
    await using stage = await Walkthrough.open();
    const network = await stage.network();
    const { namespace } = await stage.container(network, 'inside');
    const router = stage.inside(network);
    const servers = await Promise.all([
      serveTcp(stage.machine, 'host'),
      serveTcp(stage.outside, 'world'),
      serveTcp(router, 'router'),
    ]);
    const seen = async (address: string) => (await askTcp(namespace, address)) !== '';
    await eventually(() => pings(namespace, '10.0.0.1'));
    // Positive control: the servers answer on each of the addresses.
    for (const address of ['192.168.15.1', '10.0.0.74']) expect(await askTcp(stage.machine, address)).toMatch(/^host /);
    expect(await askTcp(router, '172.16.0.1')).toMatch(/^router /);
    expect({
      world: await seen('10.0.0.1'),
      egress: await seen('192.168.15.1'),
      uplink: await seen('10.0.0.74'),
      gateway: await seen('172.16.0.1'),
    }).toEqual({ world: true, egress: false, uplink: false, gateway: false });
    expect(await pings(namespace, '192.168.15.1')).toBe(true);
    for (const server of servers) await server.stop();
  });

  test('instances cannot send packets into the mesh', async () => {
    await using stage = await Walkthrough.open();
    const { namespace } = await stage.container(await stage.network(), 'inside');
    await eventually(() => pings(namespace, '10.0.0.1'));
    const send = (port: number) => namespace.attempt('socat', '-u', '/etc/hostname', `UDP4-SENDTO:10.0.0.1:${port}`);
    await using ear = await Ear.open(stage.outside, 'eth0', 'udp');
    await send(4789);
    await send(4790);
    const heard = (await ear.close()).join('\n');
    expect(heard).toContain('.4790');
    expect(heard).not.toContain('.4789');
  });

  test('instances cannot reach a separate mesh network', async () => {
    await using peer = await TestNamespace.create('peer');
    await using stage = await Walkthrough.open({
      options: { meshNic: 'mesh0' },
      before: async (machine) => {
        await connect([machine, 'mesh0'], [peer, 'mesh0']);
        await machine.ip('address', 'add', '10.9.0.1/24', 'dev', 'mesh0');
        await peer.ip('address', 'add', '10.9.0.2/24', 'dev', 'mesh0');
        await peer.ip('route', 'add', 'default', 'via', '10.9.0.1');
      },
    });
    const { namespace } = await stage.container(await stage.network(), 'inside');
    await eventually(() => pings(namespace, '10.0.0.1'));
    expect(await pings(stage.machine, '10.9.0.2')).toBe(true);
    expect(await pings(namespace, '10.9.0.2')).toBe(false);
  });

  test('dnsmasq answers no query from outside a network', async () => {
    await using stage = await Walkthrough.open();
    const network = await stage.network({ provideDns: true });
    const inside = await stage.container(network, 'inside');
    const gateway = network.info.floatingGateway as string;
    const askers = {
      answered: { from: inside.namespace, server: network.info.gateway },
      refused: {
        'the world': { from: stage.outside, server: gateway },
        'the host': { from: stage.machine, server: gateway },
      },
    };
    await expectAnsweredOnly(askers, ({ from, server }) => lookUp(from, server, 'inside.vethwork.internal'));
  });
});

describe.skipIf(!privileged)('configuration files', () => {
  test('options cannot inject lines or fields', async () => {
    await using stage = await Walkthrough.open();
    const network = await stage.network();
    for (const hostname of ['a\nb', 'a,b', 'a b', 'a#b', '-a', 'a/../b', '']) {
      const refusal = { name: 'ValidationError', field: 'hostname', value: hostname };
      await expect(network.attach({ tap: 'tap0', hostname })).rejects.toMatchObject(refusal);
    }
    const metadata = { 'a\ndhcp-script=/bin/sh': '\ndhcp-option=3,1.2.3.4\n' };
    const options = { metadata, model: 'x', instance: 'address=/#/1.2.3.4', hostname: 'honest' };
    const nic = await network.attach({ tap: 'tap0', ...options });
    const folder = join(await runtimeRoot(stage.options.stateDir), network.uuid);
    const found = async (...texts: string[]) => {
      const patterns = texts.flatMap((text) => ['-e', text]);
      const { exitCode, stdout, stderr } = await attempt('grep', '-rhF', ...patterns, folder);
      // Exit code 1: nothing found; 2: a file could not be read.
      expect({ exitCode: exitCode > 1, stderr }).toEqual({ exitCode: false, stderr: '' });
      return stdout;
    };
    // Positive control: the host name is there.
    expect(await found(nic.info.mac)).toContain('honest');
    expect(await found('dhcp-script', '1.2.3.4')).toBe('');
    await nic.detach();
  });
});

describe.skipIf(!privileged)('isolation of networks', () => {
  test('instances, gateways and servers of another network cannot be reached', async () => {
    await using stage = await Walkthrough.open();
    const [mine, other] = [
      await stage.network(),
      await stage.network({ name: 'other', netblock: '172.17.0.0/24', provideDns: true }),
    ];
    const { namespace } = await stage.container(mine, 'curious');
    const victim = await stage.container(other, 'victim');
    const server = await serveTcp(victim.namespace, 'victim');
    await eventually(() => pings(namespace, '10.0.0.1'));
    const { address } = victim.nic.info;
    const gateway = other.info.floatingGateway as string;
    const echoes = await Promise.all([address, '172.17.0.1'].map((each) => pings(namespace, each)));
    expect(echoes).toEqual([false, false]);
    const servers = [[address, TCP] as const, ...[53, 67, 80].map((port) => [gateway, port] as const)];
    const answers = await Promise.all(servers.map(([each, port]) => askTcp(namespace, each, port)));
    expect(answers).toEqual(servers.map(() => ''));
    const askers = {
      answered: { from: victim.namespace, server: other.info.gateway },
      refused: { 'another network': { from: namespace, server: gateway } },
    };
    await expectAnsweredOnly(askers, ({ from, server }) => lookUp(from, server, 'victim.vethwork.internal'));
    // The host forwards this request to the router of the other network. The router drops it.
    await stage.outside.ip('route', 'add', '172.17.0.0/24', 'via', '10.0.0.74');
    await stage.machine.ip('route', 'add', '172.17.0.0/24', 'via', gateway, 'dev', 'egr-br-eth0');
    const heard = await listen({ router: [stage.inside(other), 'any'] }, `tcp and host ${address}`, async () => {
      expect(await askTcp(stage.outside, address)).toBe('');
    });
    expect(heard.router.length, 'it did arrive at the router').toBeGreaterThan(0);
    // Positive control: the server answers its own network and the floating address.
    expect(await askTcp(victim.namespace, address)).toContain('victim');
    const floating = await victim.nic.float();
    expect(await askTcp(namespace, floating)).toContain('victim');
    await server.stop();
  });
});

describe.skipIf(!privileged)('the state folder', () => {
  test('is accessible only to its user, whatever its mode was; a folder of another user is rejected', async () => {
    await using stage = await Walkthrough.open();
    const base = await mkdtemp(join(tmpdir(), 'vethwork-state-'));
    try {
      const state = join(base, 'state');
      await mkdir(state, { mode: 0o755 });
      // One state folder serves a namespace.
      await using other = await TestNamespace.create('other');
      await connect([other, 'eth0'], [stage.outside, 'other0']);
      await other.ip('address', 'add', '10.77.0.1/24', 'dev', 'eth0');
      const options = {
        netns: other.name,
        egressNic: 'eth0',
        floatingNetwork: '192.168.16.0/24',
        stateDir: state,
      };
      await chown(state, 12345, 12345);
      await expect(openHost(options)).rejects.toMatchObject({ name: 'ValidationError', field: 'stateDir' });
      await chown(state, 0, 0);
      const host = await openHost(options);
      expect((await stat(state)).mode & 0o777).toBe(0o700);
      for (const file of await readdir(state, { recursive: true, withFileTypes: true })) {
        if (file.isDirectory()) expect((await stat(join(file.parentPath, file.name))).mode & 0o077).toBe(0);
      }
      await host.teardown();
      await host.close();
    } finally {
      await rm(base, { recursive: true });
    }
  });

  test('a domain that is not a domain name is rejected', async () => {
    await using stage = await Walkthrough.open();
    const base = await mkdtemp(join(tmpdir(), 'vethwork-state-'));
    const options = {
      netns: stage.machine.name,
      egressNic: 'eth0',
      floatingNetwork: '192.168.16.0/24',
      stateDir: base,
    };
    for (const domain of ['a\nserver=1.2.3.4', 'a b', 'a/b', 'a#', '', '-a']) {
      await expect(openHost({ ...options, domain })).rejects.toMatchObject({ field: 'domain' });
    }
    await rm(base, { recursive: true });
  });
});
