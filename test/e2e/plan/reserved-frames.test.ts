import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Background } from '../../../src/demo/tools.js';
import type { AttachOptions, Interface, Network } from '../../../src/index.js';
import { networkNames } from '../../../src/plan/names.js';
import { type Origin, sendFrames, UDP_LISTENER } from '../../support/frames.js';
import { eventually, json, privileged, TestNamespace } from '../../support/namespaces.js';
import { Ear, pings } from '../../support/traffic.js';
import { type Instance, Walkthrough } from '../../support/walkthrough.js';

/*
 * An attacker who has everything that an instance has, and says whatever it likes: what of it reaches the host, the
 * forwarding tables, the mesh and other networks. The senders are raw sockets, what arrived is told by sockets, by the
 * kernel's counters and by iproute2: a packet capture shows frames that rules drop afterwards.
 */

const PORT = 9999;
const HOST_ADDRESSES = ['10.0.0.74', '192.168.15.1'];
const KINDS = ['container', 'tap', 'device'] as const;

interface Attacker {
  nic: Interface;
  origin: Origin;
  guest: TestNamespace;
}

interface Rule {
  comment?: string;
  expr: { counter?: { packets: number } }[];
}

class Attack implements AsyncDisposable {
  readonly #guests: TestNamespace[] = [];
  #attackers = 0;

  private constructor(
    readonly stage: Walkthrough,
    readonly network: Network,
    readonly other: Network,
    readonly neighbour: Instance,
  ) {}

  static async open(): Promise<Attack> {
    const stage = await Walkthrough.open();
    const network = await stage.network();
    const other = await stage.network({ name: 'other', netblock: '172.17.0.0/24' });
    const neighbour = await stage.container(network, 'neighbour', { address: '172.16.0.2' });
    return new Attack(stage, network, other, neighbour);
  }

  get machine(): TestNamespace {
    return this.stage.machine;
  }

  get bridge(): string {
    return networkNames(this.network.info.vni).bridge;
  }

  /** The port of the network's own end on the bridge. */
  get gatewayPort(): string {
    return networkNames(this.network.info.vni).innerOuter;
  }

  get gatewayMac(): Promise<string> {
    return this.stage
      .inside(this.network)
      .ip('-j', 'link', 'show', networkNames(this.network.info.vni).innerInner)
      .then((text) => JSON.parse(text)[0].address as string);
  }

  /** Something attached in one of the ways there are, with an address that no one else has. */
  async attacker(kind: (typeof KINDS)[number], options: Partial<AttachOptions> = {}): Promise<Attacker> {
    const number = ++this.#attackers;
    const address = `172.16.0.${10 + number}`;
    const guest = await TestNamespace.create('attacker');
    this.#guests.push(guest);
    const mac = `02:00:00:00:0a:${number.toString(16).padStart(2, '0')}`;
    const common = { address, mac, ...options } as object;
    if (kind === 'tap') {
      const tap = `tap${number}`;
      const nic = await this.network.attach({ tap, ...common });
      return { nic, guest, origin: { namespace: this.machine, tap } };
    }
    if (kind === 'container') {
      const nic = await this.network.attach({ netns: guest.name, name: 'eth0', configure: true, ...common });
      return { nic, guest, origin: { namespace: guest, nic: 'eth0' } };
    }
    const device = `dev${number}`;
    await this.machine.ip('link', 'add', device, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', guest.name);
    await guest.ip('link', 'set', 'eth0', 'address', mac, 'up');
    await this.machine.ip('link', 'set', device, 'group', '7', 'up');
    const nic = await this.network.attach({ device, ...common });
    return { nic, guest, origin: { namespace: guest, nic: 'eth0' } };
  }

  /** Packets that a rule of a table of the host has counted. */
  async counted(comment: string, family = 'bridge'): Promise<number> {
    const rules = JSON.parse(await this.machine.run('nft', '-j', 'list', 'table', family, 'vethwork')) as {
      nftables: { rule?: Rule }[];
    };
    const rule = rules.nftables.find(({ rule }) => rule?.comment === comment)?.rule;
    return rule?.expr.find(({ counter }) => counter !== undefined)?.counter?.packets ?? Number.NaN;
  }

  /** Packets of IPv4, and datagrams, that have reached the host's IP stack, whatever became of them. */
  async received(): Promise<Record<string, number>> {
    const lines = (await this.machine.run('cat', '/proc/net/snmp')).split('\n').map((line) => line.split(' '));
    const counter = (protocol: string, name: string) => {
      const [names, values] = lines.filter(([first]) => first === `${protocol}:`) as [string[], string[]];
      return Number(values[names.indexOf(name)]);
    };
    return {
      packets: counter('Ip', 'InReceives'),
      datagrams: counter('Udp', 'InDatagrams'),
      refused: counter('Udp', 'NoPorts'),
    };
  }

  /** Port by MAC of a bridge's entries that were not made for its ports' own MACs. */
  async forwarding(bridge = this.bridge): Promise<Record<string, string>> {
    const entries = await json<{ mac: string; ifname: string; state?: string; master?: string; flags?: string[] }[]>(
      ...['bridge', '-n', this.machine.name, '-j', 'fdb', 'show', 'br', bridge],
    ) // biome-ignore format: the program first
    const own = entries.filter(({ state, flags = [] }) => state !== 'permanent' && !flags.includes('self'));
    return Object.fromEntries(own.map(({ mac, ifname }) => [mac, ifname]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stage[Symbol.asyncDispose]();
    for (const guest of this.#guests) await guest.remove();
  }
}

/** A datagram to the neighbour as an honest instance sends it. */
const honest = ({ nic: { info } }: Attacker, { nic: { info: to } }: Instance, text: string) =>
  `Ether(src='${info.mac}', dst='${to.mac}')/IP(src='${info.address}', dst='${to.address}')/UDP(sport=7, dport=${PORT})/'${text}'`;

/** The part of a frame after the destination address, by the purpose of the attack; `source` is the Ethernet source. */
function payloads(attack: Attack, { nic: { info } }: Attacker): { source: string; rest: string }[] {
  const { mac, address } = info;
  const neighbour = attack.neighbour.nic.info.mac;
  const datagram = (to: string) => `IP(src='${address}', dst='${to}')/UDP(sport=7, dport=${PORT})/'reserved'`;
  const inner =
    "Ether(src='02:de:ad:be:ef:77', dst='ff:ff:ff:ff:ff:ff')/ARP(op=2, psrc='172.17.0.1', hwsrc='02:de:ad:be:ef:77')";
  const own = [
    ...HOST_ADDRESSES.map(datagram),
    datagram('255.255.255.255'),
    ...HOST_ADDRESSES.map((to) => `ARP(op=1, hwsrc='${mac}', psrc='${address}', pdst='${to}')`),
    `ARP(op=2, hwsrc='${mac}', psrc='10.0.0.1', pdst='10.0.0.74')`,
    "IPv6(src='fe80::66', dst='ff02::1')/ICMPv6ND_RA(routerlifetime=1800)/ICMPv6NDOptPrefixInfo(prefix='2001:db8::', prefixlen=64)",
    `IPv6(src='fe80::66', dst='ff02::1')/UDP(sport=7, dport=${PORT})/'reserved'`,
    `IP(src='${address}', dst='10.0.0.74')/UDP(sport=5555, dport=4789)/VXLAN(vni=${attack.other.info.vni}, flags=8)/${inner}`,
    `Dot1Q(vlan=0)/${datagram('10.0.0.74')}`,
    `Dot1Q(vlan=5)/${datagram('10.0.0.74')}`,
    `Dot1AD(vlan=0)/${datagram('10.0.0.74')}`,
    `Dot1AD(vlan=0)/Dot1Q(vlan=0)/${datagram('10.0.0.74')}`,
  ];
  return [
    ...own.map((rest) => ({ source: mac, rest })),
    { source: neighbour, rest: "Raw(b'\\x02\\x07\\x04' + bytes(43))" },
    { source: mac, rest: "Raw(b'\\x02\\x07\\x04' + bytes(43))" },
  ];
}

const DIGITS = [...'0123456789abcdef'];

function reservedFrames(attack: Attack, attacker: Attacker): string[] {
  const all = payloads(attack, attacker);
  return DIGITS.flatMap((digit) => {
    const dst = `01:80:c2:00:00:0${digit}`;
    return [
      ...all.map(({ source, rest }) => {
        const type = rest.startsWith('Raw') ? ', type=0x88cc' : '';
        return `Ether(src='${source}', dst='${dst}'${type})/${rest}`;
      }),
      // An STP frame, which has a length instead of an Ethernet type.
      `Dot3(src='${attack.neighbour.nic.info.mac}', dst='${dst}')/LLC(dsap=0x42, ssap=0x42, ctrl=3)/STP()`,
    ];
  });
}

describe.skipIf(!privileged)('frames to reserved addresses', () => {
  let attack: Attack;
  /** What the host and the neighbour receive. */
  let host: Background;
  let friend: Background;
  beforeAll(async () => {
    attack = await Attack.open();
    const { stage, machine, neighbour } = attack;
    host = stage.start(machine, ...UDP_LISTENER, String(PORT));
    friend = stage.start(neighbour.namespace, ...UDP_LISTENER, String(PORT));
    await Promise.all([host.until(/listening/), friend.until(/listening/)]);
    // The other node of the mesh accepts all packets: an ICMP error would be a packet to the host.
    const peer = stage.start(stage.outside, 'socat', '-d', '-d', '-u', 'UDP4-RECV:4789', '/dev/null');
    await peer.until(/starting data transfer/);
  });
  afterAll(async () => {
    await attack?.[Symbol.asyncDispose]();
  });

  const cases = KINDS.flatMap((kind) => [true, false].map((antiSpoofing) => ({ kind, antiSpoofing })));

  test.each(cases)(
    'from a $kind, guarded $antiSpoofing: reach neither host, mesh nor forwarding tables',
    async (how) => {
      const { stage, machine, network, neighbour, other } = attack;
      const attacker = await attack.attacker(how.kind, { antiSpoofing: how.antiSpoofing });
      const { vxlan } = networkNames(network.info.vni);
      await machine.attempt('bridge', 'fdb', 'append', '00:00:00:00:00:00', 'dev', vxlan, 'dst', '10.0.0.1');
      // The bridge has an entry of the neighbour.
      await eventually(() => pings(neighbour.namespace, '10.0.0.1'));
      await using reserved = await Ear.open(stage.outside, 'eth0', 'udp dst port 4789 and udp[16:4] = 0x0180c200');
      await using mesh = await Ear.open(stage.outside, 'eth0', 'udp dst port 4789 and udp[16:4] = 0xffffffff');

      const frames = reservedFrames(attack, attacker);
      const [tables, received, counted] = [
        await attack.forwarding(),
        await attack.received(),
        await attack.counted('reserved addresses'),
      ];
      const sent = await sendFrames(attacker.origin, frames);
      expect(sent).toBe(frames.length);
      // Of the sixteen addresses, the bridge itself drops the one of pause frames.
      expect.soft((await attack.counted('reserved addresses')) - counted).toBe((sent * 15) / 16);
      expect.soft(await attack.received()).toEqual(received);
      expect.soft(await attack.forwarding()).toMatchObject({ [neighbour.nic.info.mac]: neighbour.nic.info.device });
      expect
        .soft(
          Object.keys(await attack.forwarding()).filter(
            (mac) => tables[mac] === undefined && mac !== attacker.nic.info.mac,
          ),
        )
        .toEqual([]);
      expect.soft(await attack.forwarding(networkNames(other.info.vni).bridge)).not.toHaveProperty('02:de:ad:be:ef:77');
      expect.soft(await machine.ip('-6', 'route', 'show', 'default')).toBe('');
      expect.soft(await machine.ip('-6', 'route', 'show', 'dev', attacker.nic.info.device)).toBe('');

      // Positive control: broadcasts and unicasts of the same sender reach the neighbour and the mesh.
      const { mac, address } = attacker.nic.info;
      await sendFrames(attacker.origin, [
        `Ether(src='${mac}', dst='ff:ff:ff:ff:ff:ff')/ARP(hwsrc='${mac}', psrc='${address}', pdst='172.16.0.77')`,
        honest(attacker, neighbour, `honest-${address}`),
      ]);
      await friend.until(new RegExp(`honest-${address}`));
      await mesh.until(/4789/);
      // Positive control: the same listener on an allowed path.
      await sendFrames({ namespace: stage.outside, nic: 'eth0' }, [
        `Ether(src=get_if_hwaddr('eth0'), dst=getmacbyip('10.0.0.74'))/IP(src='10.0.0.1', dst='10.0.0.74')/UDP(dport=${PORT})/'outside-${address}'`,
      ]);
      await host.until(new RegExp(`outside-${address}`));
      expect.soft(host.output()).not.toContain('reserved');
      expect.soft(friend.output()).not.toContain('reserved');
      expect.soft(await reserved.close()).toEqual([]);
      await attacker.nic.detach();
    },
  );
});

describe.skipIf(!privileged)('frames to the host', () => {
  let attack: Attack;
  let host: Background;
  beforeEach(async () => {
    attack = await Attack.open();
    host = attack.stage.start(attack.machine, ...UDP_LISTENER, String(PORT));
    await host.until(/listening/);
  });
  afterEach(async () => {
    await attack?.[Symbol.asyncDispose]();
  });

  /** Positive control: the listener receives frames of an interface that is no port. */
  async function heardByOthers(text: string): Promise<void> {
    const { stage, machine } = attack;
    await stage.outside.ip('link', 'add', 'plain0', 'type', 'veth', 'peer', 'name', 'plain0', 'netns', machine.name);
    for (const end of [machine, stage.outside]) await end.ip('link', 'set', 'plain0', 'up');
    const frames = ["IP(src='10.0.0.99', dst='10.0.0.74')", "IPv6(src='fe80::66', dst='ff02::1')"].map(
      (packet, index) => `Ether(dst='ff:ff:ff:ff:ff:ff')/${packet}/UDP(sport=7, dport=${PORT})/'${text}-${index}'`,
    );
    await machine.run('sysctl', '-qw', 'net.ipv4.conf.all.rp_filter=0', 'net.ipv4.conf.plain0.rp_filter=0');
    await eventually(async () => {
      await sendFrames({ namespace: stage.outside, nic: 'plain0' }, frames);
      return host.output().includes(`${text}-0`) && host.output().includes(`${text}-1`);
    });
  }

  test.each([true, false])(
    'through its bridge, guarded %s: only ARP that the host needs for routed addresses',
    async (antiSpoofing) => {
      const { machine, network } = attack;
      const attacker = await attack.attacker('container', { antiSpoofing });
      const [{ address: bridgeMac }] = (await json('ip', '-n', machine.name, '-j', 'link', 'show', attack.bridge)) as [
        { address: string },
      ];
      const rule = 'nothing else of networks is for the host';
      const [received, counted] = [await attack.received(), await attack.counted(rule)];
      await sendFrames(
        attacker.origin,
        [bridgeMac, 'ff:ff:ff:ff:ff:ff', '01:00:5e:00:00:01', '33:33:00:00:00:01'].flatMap((dst) =>
          payloads(attack, attacker).map(({ source, rest }) => {
            const type = rest.startsWith('Raw') ? ', type=0x88cc' : '';
            return `Ether(src='${source}', dst='${dst}'${type})/${rest}`;
          }),
        ),
      );
      expect(await attack.counted(rule)).toBeGreaterThan(counted);
      expect(await attack.received()).toEqual(received);
      expect(await machine.ip('-6', 'route', 'show', 'default')).toBe('');
      expect(await machine.ip('neigh', 'show', 'dev', attack.bridge)).toBe('');
      await heardByOthers('plain');
      expect(host.output()).not.toContain('reserved');

      // The host resolves a routed address, and no other.
      const routed = await network.routeAddress();
      for (const address of [routed, '10.66.0.1'])
        await attacker.guest.ip('address', 'add', `${address}/32`, 'dev', 'eth0');
      await machine.ip('route', 'add', '10.66.0.1', 'dev', attack.bridge, 'src', '192.168.15.1');
      await eventually(() => pings(machine, routed));
      expect(await pings(machine, '10.66.0.1')).toBe(false);
      expect(await machine.ip('neigh', 'show', '10.66.0.1')).not.toContain('lladdr');
    },
  );

  test('a gratuitous ARP of the new owner of a routed address updates the host', async () => {
    const { machine, network } = attack;
    const [first, second] = [await attack.attacker('container'), await attack.attacker('container')];
    const routed = await network.routeAddress();
    await first.guest.ip('address', 'add', `${routed}/32`, 'dev', 'eth0');
    await eventually(() => pings(machine, routed));
    const known = () => machine.ip('neigh', 'show', routed);
    expect(await known()).toContain(first.nic.info.mac);
    const { mac } = second.nic.info;
    await eventually(async () => {
      await sendFrames(second.origin, [
        `Ether(src='${mac}', dst='ff:ff:ff:ff:ff:ff')/ARP(op=1, hwsrc='${mac}', psrc='${routed}', pdst='${routed}')`,
      ]);
      return (await known()).includes(mac);
    });
  });

  test.each(KINDS)('through a port that was removed from its bridge, a %s', async (kind) => {
    const { machine } = attack;
    const attacker = await attack.attacker(kind, { antiSpoofing: false });
    const { device } = attacker.nic.info;
    await machine.ip('link', 'set', device, 'nomaster');
    const settings = ['net.ipv4.conf.all.rp_filter=0', `net.ipv4.conf.${device}.rp_filter=0`];
    // IPv6 is enabled on the link, as another program might do.
    await machine.run('sysctl', '-qw', ...settings, `net.ipv6.conf.${device}.disable_ipv6=0`);
    await machine.ip('link', 'set', device, 'addrgenmode', 'eui64');
    await machine.ip('address', 'add', 'fe80::1:1/64', 'dev', device, 'nodad');
    const [received, dropped] = [await attack.received(), await attack.counted('ports that are in no bridge', 'ip')];
    const dropped6 = await attack.counted('ports that are in no bridge', 'ip6');
    const frames = payloads(attack, attacker).map(
      ({ source, rest }) => `Ether(src='${source}', dst='ff:ff:ff:ff:ff:ff')/${rest}`,
    );
    await sendFrames(attacker.origin, frames);
    await heardByOthers(kind);
    expect(host.output()).not.toContain('reserved');
    expect((await attack.received()).datagrams).toBeGreaterThan(received.datagrams as number);
    expect(await attack.counted('ports that are in no bridge', 'ip')).toBeGreaterThan(dropped);
    expect(await attack.counted('ports that are in no bridge', 'ip6')).toBeGreaterThan(dropped6);
    expect(await attack.stage.host.reconcile()).not.toEqual([]);
    expect((await attack.stage.host.reconcile()).filter(({ description }) => description.includes(device))).toEqual([]);
  });
});

describe.skipIf(!privileged)('forwarding entries', () => {
  let attack: Attack;
  beforeAll(async () => {
    attack = await Attack.open();
  });
  afterAll(async () => {
    await attack?.[Symbol.asyncDispose]();
  });

  test('a port without anti-spoofing cannot replace those of the gateway or of a guarded interface, but of others', async () => {
    const { neighbour, stage, network } = attack;
    const attacker = await attack.attacker('container', { antiSpoofing: false });
    const victim = await attack.attacker('container', { antiSpoofing: false });
    const gateway = await attack.gatewayMac;
    const claimed = [gateway, neighbour.nic.info.mac, victim.nic.info.mac, '02:de:ad:be:ef:01'];
    expect(await pings(victim.guest, '172.16.0.1')).toBe(true);
    const ports = { [gateway]: attack.gatewayPort, [neighbour.nic.info.mac]: neighbour.nic.info.device };
    const taken = { [victim.nic.info.mac]: attacker.nic.info.device, '02:de:ad:be:ef:01': attacker.nic.info.device };
    // An interface without anti-spoofing gets its entry back with its next frame.
    await eventually(async () => {
      await sendFrames(
        attacker.origin,
        claimed.map(
          (mac) => `Ether(src='${mac}', dst='ff:ff:ff:ff:ff:ff')/ARP(psrc='172.16.0.99', pdst='172.16.0.98')`,
        ),
      );
      const entries = await attack.forwarding();
      return Object.entries(taken).every(([mac, port]) => entries[mac] === port);
    });
    expect(await attack.forwarding()).toMatchObject(ports);
    await using ear = await Ear.open(attacker.guest, 'eth0', '-Q', 'in', 'icmp');
    expect(await pings(stage.inside(network), neighbour.nic.info.address)).toBe(true);
    expect(await pings(neighbour.namespace, '172.16.0.1')).toBe(true);
    expect(await ear.close()).toEqual([]);
  });

  test('are limited in number for each bridge, and guarded interfaces need no learned entry', async () => {
    const { machine, neighbour } = attack;
    const [bridge] = (await json('ip', '-n', machine.name, '-d', '-j', 'link', 'show', attack.bridge)) as [
      { linkinfo: { info_data: Record<string, unknown> } },
    ];
    const { fdb_max_learned: bound, no_linklocal_learn: unlearned } = bridge.linkinfo.info_data;
    expect(unlearned).toBe(1);
    // iproute2 and the kernel support it since 2023.
    if (bound !== undefined) expect(bound).toBe(8192);
    const attacker = await attack.attacker('container', { antiSpoofing: false });
    const flood =
      "[Ether(src='02:11:00:00:%02x:%02x' % (number >> 8, number & 255), dst='ff:ff:ff:ff:ff:ff', type=0x9000)/Raw(bytes(46)) for number in range(10000)]";
    await sendFrames(attacker.origin, [flood]);
    const known = Object.keys(await attack.forwarding());
    expect(known.filter((mac) => mac.startsWith('02:11:')).length).toBeGreaterThan(5000);
    if (await isBounded(machine, attack.bridge)) expect(known.length).toBeLessThan(8192 + 100);
    const late = await attack.attacker('container');
    expect(await attack.forwarding()).toMatchObject({
      [neighbour.nic.info.mac]: neighbour.nic.info.device,
      [late.nic.info.mac]: late.nic.info.device,
    });
    await using ear = await Ear.open(attacker.guest, 'eth0', '-Q', 'in', 'icmp');
    expect(await pings(late.guest, neighbour.nic.info.address)).toBe(true);
    expect(await ear.close()).toEqual([]);
  });
});

/** Whether the kernel has the bound (Linux 6.7), whatever iproute2 knows of it: the bridge's own file does not tell. */
async function isBounded(machine: TestNamespace, bridge: string): Promise<boolean> {
  const [major, minor] = (await machine.run('uname', '-r')).split('.').map(Number) as [number, number];
  return (major > 6 || (major === 6 && minor >= 7)) && bridge !== '';
}

describe.skipIf(!privileged)('links on the host', () => {
  test('have no IPv6, and devices get their settings back', async () => {
    await using attack = await Attack.open();
    const { machine, network } = attack;
    const foreign = ['lo', 'eth0'];
    const names = async () =>
      (await json<{ ifname: string }[]>('ip', '-n', machine.name, '-j', 'link')).map(({ ifname }) => ifname);
    const setting = (name: string) => machine.run('cat', `/proc/sys/net/ipv6/conf/${name}/disable_ipv6`);
    const state = async (name: string) => {
      const [link] = await json<[{ group: string; flags: string[]; mtu: number }]>(
        ...(['ip', '-n', machine.name, '-j', 'link', 'show', name] as const),
      );
      return { group: link.group, up: link.flags.includes('UP'), mtu: link.mtu, ipv6: (await setting(name)).trim() };
    };
    const nics = [await attack.attacker('container'), await attack.attacker('tap')];
    await nics[0]?.nic.float();
    // Devices with different settings; one has no IPv6.
    const before: Record<string, unknown> = {};
    const devices: Interface[] = [];
    for (const [device, up, ipv6] of [
      ['own0', 'up', 0],
      ['own1', 'down', 1],
    ] as const) {
      await machine.ip(
        'link',
        'add',
        device,
        'mtu',
        '1400',
        'group',
        '7',
        'type',
        'veth',
        'peer',
        'name',
        `${device}p`,
      );
      await machine.run('sysctl', '-qw', `net.ipv6.conf.${device}.disable_ipv6=${ipv6}`);
      await machine.ip('link', 'set', device, up);
      foreign.push(`${device}p`);
      before[device] = await state(device);
      devices.push(await network.attach({ device }));
    }
    const ours = (await names()).filter((name) => !foreign.includes(name));
    expect(ours.length).toBeGreaterThanOrEqual(2 * 4 + 1 + 2 + 1 + 2);
    for (const name of ours) expect([name, (await setting(name)).trim()]).toEqual([name, '1']);
    expect((await setting('eth0')).trim()).toBe('0');
    for (const nic of devices) await nic.detach();
    for (const device of ['own0', 'own1']) expect(await state(device)).toEqual(before[device]);
  });
});
