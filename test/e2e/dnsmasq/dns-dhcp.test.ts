import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Network } from '../../../src/api/types.js';
import { askForLease } from '../../support/dhcp.js';
import { lookUp } from '../../support/dns.js';
import { ipLink } from '../../support/kernel.js';
import { privileged, type TestNamespace } from '../../support/namespaces.js';
import { Ear, knock, listen } from '../../support/traffic.js';
import { type Instance, Walkthrough } from '../../support/walkthrough.js';

const VNI = 0xe2300f;
const GATEWAY = '172.16.0.1';

/** Sockets that dnsmasq listens on, as `udp 172.16.0.1:53`. */
async function listeners(inside: TestNamespace): Promise<string[]> {
  const lines = (await inside.run('ss', '-Hlntup')).split('\n').filter(Boolean);
  return lines.map((line) => line.split(/\s+/)).map(([protocol, , , , local]) => `${protocol} ${local}`);
}

describe.skipIf(!privileged)('DNS and DHCP of a network with both', () => {
  let scene: Walkthrough;
  let network: Network;
  let web: Instance;
  let inside: TestNamespace;
  let gateway: string;

  beforeAll(async () => {
    scene = await Walkthrough.open();
    network = await scene.network({ vni: VNI, provideDns: true });
    inside = scene.inside(network);
    gateway = network.info.floatingGateway as string;
    web = await scene.client(network, 'web');
    await web.nic.float({ address: '192.168.15.29' });
    // A client there has a route to the address of the gateway.
    await scene.machine.ip('route', 'add', '172.16.0.0/24', 'via', gateway, 'dev', 'egr-br-eth0');
    await scene.outside.ip('route', 'add', '172.16.0.0/24', 'via', '10.0.0.74');
  });

  afterAll(() => scene?.[Symbol.asyncDispose]());

  it('serves the instances', async () => {
    expect(web.lease).toMatchObject({
      ip: web.nic.info.address,
      subnet: '255.255.255.0',
      router: GATEWAY,
      dns: GATEWAY,
      domain: 'vethwork.internal',
      mtu: '8900',
      broadcast: '172.16.0.255',
      hostname: 'web',
    });
    for (const transport of ['+notcp', '+tcp']) {
      expect(await lookUp(web.namespace, GATEWAY, 'web.vethwork.internal', transport)).toBe(web.nic.info.address);
    }
    expect(await knock(web.namespace, GATEWAY, 53)).toBe('open');
  });

  it('the ports 53 and 67 are silent on the egress side', async () => {
    // Positive control: the same name is resolved inside.
    expect(await lookUp(web.namespace, GATEWAY, 'web.vethwork.internal')).toBe(web.nic.info.address);
    // The floating address is that of the instance, the other two are those of the namespace.
    for (const server of [gateway, GATEWAY]) {
      const asked = [scene.machine, scene.outside].flatMap((from) =>
        ['+notcp', '+tcp'].map((transport) => lookUp(from, server, 'web.vethwork.internal', transport)),
      );
      expect(await Promise.all(asked), server).toEqual(asked.map(() => undefined));
      const knocked = [53, 67].map((port) => knock(scene.machine, server, port));
      expect(await Promise.all(knocked), server).toEqual(['silent', 'silent']);
    }
    const counted = (await inside.run('nft', 'list', 'chain', 'ip', 'vethwork', 'input')).match(
      /counter packets (\d+)/g,
    );
    // Positive control: the queries arrived, and were dropped.
    expect(Number(counted?.at(-1)?.match(/\d+/)?.[0])).toBeGreaterThan(0);
  });

  it('a DHCP client on the egress bridge gets no answer', async () => {
    const { machine } = scene;
    await machine.ip('link', 'add', 'probe', 'type', 'veth', 'peer', 'name', 'probe-o');
    await machine.ip('link', 'set', 'probe-o', 'master', 'egr-br-eth0', 'up');
    await machine.ip('link', 'set', 'probe', 'address', web.nic.info.mac, 'up');
    const places = { asked: [inside, 'egr-e2300f-i'], floating: [inside, 'flt-c0a80f1d-i'] } as const;
    const heard = await listen(places, 'udp port 67 or udp port 68', async () => {
      expect(await askForLease(machine, 'probe', { quick: true })).toBeUndefined();
    });
    await machine.ip('link', 'delete', 'probe');
    for (const place of ['asked', 'floating'] as const) {
      expect(heard[place].length).toBeGreaterThan(0);
      // Search the addresses only: a MAC may end in 67.
      expect(heard[place].filter((line) => /\.67 > \S+\.68\b/.test(line))).toEqual([]);
    }
  });

  it('listens only on the gateway address, and on no family on the egress side', async () => {
    const addresses = (where: TestNamespace) => where.ip('-6', '-o', 'address');
    // The namespace has no IPv6 address, on which dnsmasq would listen, and which other networks would reach.
    expect(await addresses(inside)).toBe('');
    expect(await addresses(web.namespace)).toContain('inet6');
    const dns = (await listeners(inside)).filter((each) => /:53$/.test(each));
    expect(dns.length).toBeGreaterThanOrEqual(2);
    expect(dns.filter((each) => !each.includes(GATEWAY))).toEqual([]);
    // Other networks reach the egress side.
    const other = await scene.network({ name: 'other', netblock: '172.17.0.0/24', provideDhcp: false });
    expect((await scene.inside(other).attempt('ping', '-c', '1', '-W', '2', gateway)).exitCode).toBe(0);
    expect(await lookUp(scene.inside(other), gateway, 'web.vethwork.internal')).toBeUndefined();
  });
});

describe.skipIf(!privileged)('a network without NAT', () => {
  let scene: Walkthrough;

  beforeAll(async () => {
    scene = await Walkthrough.open({ options: { dnsServers: ['10.0.0.1'] } });
  });

  afterAll(() => scene?.[Symbol.asyncDispose]());

  it('gives neither default route nor resolver, and routes nothing outside', async () => {
    const network = await scene.network({ provideNat: false });
    const one = await scene.client(network, 'one');
    expect(one.lease?.ip).toBe(one.nic.info.address);
    expect(one.lease?.router).toBeUndefined();
    expect(one.lease?.dns).toBeUndefined();
    expect(await one.namespace.ip('route', 'show', 'default')).toBe('');
    expect(await scene.inside(network).ip('route')).toBe(
      `172.16.0.0/24 dev veth-${hex(network)}-i proto kernel scope link src ${GATEWAY} \n`,
    );
    const { namespace } = await scene.container(network, 'two');
    expect(await namespace.ip('route', 'show', 'default')).toBe('');
  });

  it('resolves its own names and asks no upstream server', async () => {
    const network = await scene.network({
      name: 'names',
      netblock: '172.17.0.0/24',
      provideNat: false,
      provideDns: true,
    });
    const one = await scene.client(network, 'one');
    expect(one.lease?.dns).toBe('172.17.0.1');
    const { namespace } = one;
    const questions = () => Ear.open(scene.outside, 'eth0', 'udp dst port 53');
    await using ear = await questions();
    expect(await lookUp(namespace, '172.17.0.1', 'one.vethwork.internal')).toBe(one.nic.info.address);
    const { stdout } = await namespace.attempt('dig', '+tries=1', '+time=1', '@172.17.0.1', 'example.com');
    expect(stdout).toMatch(/status: (REFUSED|NXDOMAIN|SERVFAIL)/);
    expect(await ear.close()).toEqual([]);
    // A network with NAT sends the query to the resolver, which does not answer.
    const outgoing = await scene.network({ name: 'out', netblock: '172.20.0.0/24', provideDns: true });
    const two = await scene.container(outgoing, 'two');
    await using other = await questions();
    expect(await lookUp(two.namespace, '172.20.0.1', 'example.com')).toBeUndefined();
    expect(await other.close()).not.toEqual([]);
  });

  it('port 53 is closed without DNS; with NAT, DHCP announces the configured resolvers', async () => {
    const network = await scene.network({ name: 'nat', netblock: '172.18.0.0/24' });
    const one = await scene.client(network, 'one');
    expect(one.lease).toMatchObject({ router: '172.18.0.1', dns: '10.0.0.1' });
    expect(await lookUp(one.namespace, '172.18.0.1', 'one.vethwork.internal')).toBeUndefined();
    expect(await knock(one.namespace, '172.18.0.1', 53)).not.toBe('open');
    expect((await listeners(scene.inside(network))).filter((each) => /:53$/.test(each))).toEqual([]);
  });

  it('no dnsmasq runs without DHCP and DNS', async () => {
    const network = await scene.network({ name: 'bare', netblock: '172.19.0.0/24', provideDhcp: false });
    const one = await scene.client(network, 'one');
    expect(one.lease).toBeUndefined();
    expect(await listeners(scene.inside(network))).toEqual([]);
    expect((await ipLink(scene.inside(network), `veth-${hex(network)}-i`)).mtu).toBe(8900);
  });
});

const hex = (network: Network) => network.info.vni.toString(16).padStart(6, '0');
