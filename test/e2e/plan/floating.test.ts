import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Network } from '../../../src/api/types.js';
import { ipLink } from '../../support/kernel.js';
import { eventually, privileged, type TestNamespace } from '../../support/namespaces.js';
import { askTcp, Ear, Flow, listen, pings, serveEcho, serveTcp } from '../../support/traffic.js';
import { type Instance, Walkthrough } from '../../support/walkthrough.js';

const FLOATING = '192.168.15.29';
const ROUTED = '192.168.15.30';
const OUTSIDE = '10.0.0.1';

/** What some distributions preset. */
const STRICT = { 'ipv4.conf.all.rp_filter': 1, 'ipv4.conf.default.rp_filter': 1 };

/** `10.0.0.1 > 192.168.15.29` of each frame heard, without ports. */
function ways(heard: readonly string[]): string[] {
  return heard.map((line) => {
    const [, from, to] = /(\d+\.\d+\.\d+\.\d+)(?:\.\d+)? > (\d+\.\d+\.\d+\.\d+)/.exec(line) ?? [];
    return `${from} > ${to}`;
  });
}

describe.skipIf(!privileged).each([
  ['as it is', {}],
  ['with a strict path filter preset', STRICT],
])('the path of a floating address on a host %s', (_title, sysctls) => {
  let scene: Walkthrough;
  let network: Network;
  let one: Instance;

  beforeAll(async () => {
    scene = await Walkthrough.open({ sysctls });
    network = await scene.network();
    const inside = scene.inside(network);
    // The sysctls of the namespace are those of the host, whatever the defaults of the kernel are.
    for (const [key, value] of Object.entries(sysctls)) await inside.run('sysctl', '-qw', `net.${key}=${value}`);
    one = await scene.container(network, 'one');
    await one.nic.float({ address: FLOATING });
    await serveTcp(one.namespace, 'one');
    await serveTcp(scene.outside, 'outside');
  });

  afterAll(() => scene?.[Symbol.asyncDispose]());

  const places = () => {
    const vni = network.info.vni.toString(16).padStart(6, '0');
    const inside = scene.inside(network);
    return {
      floatingOuter: [scene.machine, 'flt-c0a80f1d-o'],
      floatingInner: [inside, 'flt-c0a80f1d-i'],
      egressOuter: [scene.machine, `egr-${vni}-o`],
      egressInner: [inside, `egr-${vni}-i`],
    } as const;
  };

  it('no other port receives traffic to the floating IP, even when the bridge has learned nothing', async () => {
    const heard = await listen(places(), 'icmp', async () => {
      await scene.machine.ip('link', 'set', 'egr-br-eth0', 'type', 'bridge', 'fdb_flush');
      expect(await pings(scene.outside, FLOATING)).toBe(true);
    });
    const expected = [`${OUTSIDE} > ${FLOATING}`, `${FLOATING} > ${OUTSIDE}`];
    expect(ways(heard.floatingOuter)).toEqual(expected);
    expect(ways(heard.floatingInner)).toEqual(expected);
    expect([heard.egressOuter, heard.egressInner]).toEqual([[], []]);
  });

  it.each(['icmp', 'tcp'])('%s to the floating IP enters and leaves through its own pair', async (protocol) => {
    const heard = await listen(places(), protocol, async () => {
      if (protocol === 'icmp') expect(await pings(scene.outside, FLOATING)).toBe(true);
      else expect(await askTcp(scene.outside, FLOATING)).toBe(`one sees ${OUTSIDE}`);
    });
    const there = `${OUTSIDE} > ${FLOATING}`;
    const back = `${FLOATING} > ${OUTSIDE}`;
    expect(new Set(ways(heard.floatingOuter))).toEqual(new Set([there, back]));
    expect(ways(heard.floatingInner)).toEqual(ways(heard.floatingOuter));
    expect(heard.egressOuter).toEqual([]);
    expect(heard.egressInner).toEqual([]);
  });

  it.each(['icmp', 'tcp'])('%s of the instance leaves and returns through the egress pair', async (protocol) => {
    const gateway = network.info.floatingGateway as string;
    const heard = await listen(places(), protocol, async () => {
      if (protocol === 'icmp') expect(await pings(one.namespace, OUTSIDE)).toBe(true);
      else expect(await askTcp(one.namespace, OUTSIDE)).toBe(`outside sees ${gateway}`);
    });
    expect(new Set(ways(heard.egressOuter))).toEqual(new Set([`${gateway} > ${OUTSIDE}`, `${OUTSIDE} > ${gateway}`]));
    expect(ways(heard.egressInner)).toEqual(ways(heard.egressOuter));
    expect(heard.floatingOuter).toEqual([]);
    expect(heard.floatingInner).toEqual([]);
  });

  it('only its owner answers ARP for each address', async () => {
    const vni = network.info.vni.toString(16).padStart(6, '0');
    const owners = [
      [FLOATING, 'flt-c0a80f1d-i'],
      [network.info.floatingGateway as string, `egr-${vni}-i`],
    ] as const;
    for (const [address, device] of owners) {
      const { stdout } = await scene.machine.attempt(
        'busybox',
        'arping',
        '-c',
        '3',
        '-w',
        '3',
        '-I',
        'egr-br-eth0',
        address,
      );
      const macs = new Set(
        [...stdout.matchAll(/([0-9a-f]{2}(?::[0-9a-f]{2}){5})/gi)].map(([mac]) => mac.toLowerCase()),
      );
      expect([...macs]).toEqual([(await ipLink(scene.inside(network), device)).address]);
    }
  });
});

describe.skipIf(!privileged)('floating addresses that are moved or released', () => {
  let scene: Walkthrough;
  let network: Network;
  let one: Instance;
  let two: Instance;

  beforeAll(async () => {
    scene = await Walkthrough.open();
    network = await scene.network();
    one = await scene.container(network, 'one');
    two = await scene.container(network, 'two');
    for (const { namespace, name } of [one, two]) {
      await serveTcp(namespace, name);
      await serveEcho(namespace, name, 'tcp');
      await serveEcho(namespace, name, 'udp');
    }
  });

  afterAll(() => scene?.[Symbol.asyncDispose]());

  it('flows to a released address are cut, and reach its next owner', async () => {
    await one.nic.float({ address: FLOATING });
    await using tcp = new Flow(scene.outside, FLOATING, 'tcp', 5555);
    await using udp = new Flow(scene.outside, FLOATING, 'udp', 5556);
    expect(await Promise.all([tcp.ask(), udp.ask()])).toEqual(['one', 'one']);
    await one.nic.defloat();
    expect(await Promise.all([tcp.ask(), udp.ask()])).toEqual([undefined, undefined]);
    await two.nic.float({ address: FLOATING });
    expect(await Promise.all([tcp.ask(), udp.ask()])).toEqual([undefined, 'two']);
    await using again = new Flow(scene.outside, FLOATING, 'tcp', 5557);
    expect(await again.ask()).toBe('two');
    await two.nic.defloat();
  });

  it('conntrack has no entry of a released address', async () => {
    await one.nic.float({ address: FLOATING });
    await using udp = new Flow(scene.outside, FLOATING, 'udp', 5558);
    expect(await udp.ask()).toBe('one');
    const connections = () => scene.inside(network).run('conntrack', '-L', '-d', FLOATING);
    expect(await connections()).toContain('sport=5558');
    await one.nic.defloat();
    expect(await connections()).toBe('');
  });

  it('a neighbour with a cached MAC of a released address reaches nobody', async () => {
    await one.nic.float({ address: FLOATING });
    expect(await askTcp(scene.machine, FLOATING)).toContain('one');
    await using tcp = new Flow(scene.machine, FLOATING, 'tcp', 5560);
    await using udp = new Flow(scene.machine, FLOATING, 'udp', 5561);
    expect(await Promise.all([tcp.ask(), udp.ask()])).toEqual(['one', 'one']);
    const inside = scene.inside(network);
    const vni = network.info.vni.toString(16).padStart(6, '0');
    const macs = [(await ipLink(inside, 'flt-c0a80f1d-i')).address, (await ipLink(inside, `egr-${vni}-i`)).address];
    await one.nic.defloat();
    for (const mac of macs) {
      const entry = ['neighbour', 'replace', FLOATING, 'lladdr', mac, 'dev', 'egr-br-eth0', 'nud', 'permanent'];
      await scene.machine.ip(...entry);
      // Neither existing flows nor new ones.
      const asked = [tcp.ask(), udp.ask(), askTcp(scene.machine, FLOATING), pings(scene.machine, FLOATING)];
      expect(await Promise.all(asked)).toEqual([undefined, undefined, '', false]);
      await scene.machine.ip('neighbour', 'delete', FLOATING, 'dev', 'egr-br-eth0');
    }
  });

  it('a moved address is announced, and works at once', async () => {
    const other = await scene.network({ name: 'other' });
    const three = await scene.container(other, 'three');
    await serveTcp(three.namespace, 'three');
    await one.nic.float({ address: FLOATING });
    expect(await askTcp(scene.outside, FLOATING)).toContain('one');
    await using ear = await Ear.open(scene.machine, 'egr-br-eth0', 'arp');
    await one.nic.defloat();
    await three.nic.float({ address: FLOATING });
    const { address: mac } = await ipLink(scene.inside(other), 'flt-c0a80f1d-i');
    await ear.until(
      new RegExp(
        `^\\S*\\s*${mac} > .*(Request who-has ${FLOATING}.* tell ${FLOATING}|Reply ${FLOATING} is-at ${mac})`,
        'm',
      ),
    );
    expect(await askTcp(scene.outside, FLOATING)).toContain('three');
    await three.nic.defloat();
  });

  it('an address of another instance is announced to its neighbours', async () => {
    const first = await scene.container(network, 'first');
    const { address } = first.nic.info;
    expect(await pings(one.namespace, address)).toBe(true);
    expect(await pings(scene.inside(network), address)).toBe(true);
    await first.nic.detach();
    const next = await scene.container(network, 'next', { address });
    await eventually(async () => {
      const known = await one.namespace.ip('neighbour', 'show', address);
      return known.includes(next.nic.info.mac);
    }, 2000);
    expect(await pings(one.namespace, address)).toBe(true);
    expect(await pings(scene.inside(network), address)).toBe(true);
  });
});

describe.skipIf(!privileged)('access to an instance', () => {
  let scene: Walkthrough;
  let network: Network;
  let floated: Instance;
  let routed: Instance;
  let places: Record<string, TestNamespace>;

  beforeAll(async () => {
    scene = await Walkthrough.open({ sysctls: STRICT });
    network = await scene.network();
    const other = await scene.network({ name: 'other', netblock: '172.17.0.0/24' });
    floated = await scene.container(network, 'floated');
    routed = await scene.container(network, 'routed');
    const neighbour = await scene.container(network, 'neighbour');
    const stranger = await scene.container(other, 'stranger');
    await floated.nic.float({ address: FLOATING });
    await network.routeAddress({ address: ROUTED });
    await routed.namespace.ip('address', 'add', `${ROUTED}/32`, 'dev', 'eth0');
    for (const { namespace, name } of [floated, routed, neighbour]) await serveTcp(namespace, name);
    places = {
      neighbour: neighbour.namespace,
      'another network': stranger.namespace,
      host: scene.machine,
      outside: scene.outside,
    };
  });

  afterAll(() => scene?.[Symbol.asyncDispose]());

  const everywhere = ['itself', 'neighbour', 'another network', 'host', 'outside'];

  it.each(everywhere)('TCP to the floating address from %s', async (place) => {
    expect(await askTcp(places[place] ?? floated.namespace, FLOATING)).toMatch(/^floated sees /);
  });

  it.each(everywhere)('TCP to the routed address from %s', async (place) => {
    expect(await askTcp(places[place] ?? routed.namespace, ROUTED)).toMatch(/^routed sees /);
  });

  it('an instance with a floating address reaches the routed address, and the other way round', async () => {
    expect(await askTcp(floated.namespace, ROUTED)).toMatch(/^routed sees /);
    expect(await askTcp(routed.namespace, FLOATING)).toMatch(/^floated sees /);
  });

  it('replies of the routed address have it as source', async () => {
    const heard = await listen({ uplink: [scene.outside, 'eth0'] }, 'icmp', () => pings(scene.outside, ROUTED));
    expect(ways(heard.uplink)).toEqual([`${OUTSIDE} > ${ROUTED}`, `${ROUTED} > ${OUTSIDE}`]);
  });

  it('a host with a route through the floating gateway or a floating address reaches no instance', async () => {
    const neighbour = (await network.listInterfaces()).find(({ hostname }) => hostname === 'neighbour');
    const address = neighbour?.address as string;
    expect(await askTcp(scene.inside(network), address)).toContain('neighbour');
    for (const gateway of [network.info.floatingGateway as string, FLOATING]) {
      await scene.machine.ip('route', 'replace', '172.16.0.0/24', 'via', gateway, 'dev', 'egr-br-eth0');
      // Also the instance with a floating address: its own address must not be reached.
      for (const target of [address, floated.nic.info.address]) {
        const heard = await listen({ wire: [scene.inside(network), 'any'] }, `ip host ${target}`, async () => {
          const asked = [askTcp(scene.machine, target), pings(scene.machine, target)];
          expect(await Promise.all(asked)).toEqual(['', false]);
        });
        // The packet arrived at the namespace, and was not forwarded.
        expect(heard.wire.length).toBeGreaterThan(0);
        expect(heard.wire.filter((line) => line.includes(`veth-`))).toEqual([]);
      }
      await scene.machine.ip('route', 'delete', '172.16.0.0/24');
    }
  });
});
