import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Network } from '../../../src/index.js';
import { networkNames } from '../../../src/plan/names.js';
import { ipLink } from '../../support/kernel.js';
import { attempt, eventually, json, privileged, TestNamespace } from '../../support/namespaces.js';
import { repairLines } from '../../support/repairs.js';
import { Ear, pings } from '../../support/traffic.js';
import { type Instance, Walkthrough } from '../../support/walkthrough.js';

interface IpNeighbour {
  dst: string;
  dev: string;
  lladdr?: string;
  state: string[];
}

const FLOATING = '192.168.15.29';
const HOST = '192.168.15.1';
const THRESHOLDS = ['gc_thresh1', 'gc_thresh2', 'gc_thresh3'].map((name) => `net.ipv4.neigh.default.${name}`);

const neighbours = async ({ name }: TestNamespace) =>
  (await json<IpNeighbour[]>('ip', '-n', name, '-4', '-j', 'neigh', 'show')).filter(({ dst }) => !dst.includes(':'));

/** Those that count for the table's limit. */
const counted = async (namespace: TestNamespace) =>
  (await neighbours(namespace)).filter(({ state }) => !state.includes('PERMANENT'));

const permanent = async (namespace: TestNamespace) =>
  (await neighbours(namespace))
    .filter(({ state }) => state.includes('PERMANENT'))
    .map(({ dst, lladdr, dev }) => `${dst} ${lladdr} ${dev}`)
    .sort();

/** The machine's counters, summed over its CPUs. */
async function statistics(): Promise<{ fulls: number }> {
  const [names = [], ...rows] = (await readFile('/proc/net/stat/arp_cache', 'utf8'))
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
  const at = names.indexOf('table_fulls');
  return { fulls: rows.reduce((sum, row) => sum + Number.parseInt(row[at] ?? '', 16), 0) };
}

describe.skipIf(!privileged)("the machine's neighbour table", () => {
  let stage: Walkthrough;
  let network: Network;
  let inside: TestNamespace;
  let names: ReturnType<typeof networkNames>;

  beforeEach(async () => {
    stage = await Walkthrough.open({ options: { outboundNat: true } });
    network = await stage.network({ netblock: '172.16.0.0/16', provideDhcp: false });
    inside = stage.inside(network);
    names = networkNames(network.info.vni);
  });
  afterEach(async () => {
    await stage?.[Symbol.asyncDispose]();
  });

  const macOf = async (namespace: TestNamespace, link: string) => (await ipLink(namespace, link)).address;

  /** What is to be known without being asked for, by namespace, as the links themselves have it. */
  async function expected(instances: Instance[], floating?: string) {
    const bridge = await macOf(stage.machine, 'egr-br-eth0');
    const gateway = await macOf(inside, names.innerInner);
    const own = `${network.info.floatingGateway} ${await macOf(inside, names.egressInner)} egr-br-eth0`;
    const flt = 'flt-c0a80f1d-i';
    return {
      host: [own, ...(floating ? [`${floating} ${await macOf(inside, flt)} egr-br-eth0`] : [])].sort(),
      network: [
        `${HOST} ${bridge} ${names.egressInner}`,
        ...(floating ? [`${HOST} ${bridge} ${flt}`] : []),
        ...instances.map(({ nic }) => `${nic.info.address} ${nic.info.mac} ${names.innerInner}`),
      ].sort(),
      instances: instances.map(() => [`172.16.0.1 ${gateway} eth0`]),
    };
  }

  const found = async (instances: Instance[]) => ({
    host: await permanent(stage.machine),
    network: await permanent(inside),
    instances: await Promise.all(instances.map(({ namespace }) => permanent(namespace))),
  });

  test('host, networks and instances have permanent entries for each other', async () => {
    const one = await stage.container(network, 'one');
    const two = await stage.container(network, 'two');
    await two.nic.float({ address: FLOATING });
    expect(await found([one, two])).toEqual(await expected([one, two], FLOATING));
    expect(await stage.host.reconcile()).toEqual([]);
    await two.nic.defloat();
    expect(await found([one, two])).toEqual(await expected([one, two]));
    await two.nic.detach();
    expect(await found([one])).toEqual(await expected([one]));
    await network.delete();
    expect(await permanent(stage.machine)).toEqual([]);
  });

  test('deleted, changed and additional entries are repaired, as are entries lost while a link was down', async () => {
    const one = await stage.container(network, 'one');
    await one.nic.float({ address: FLOATING });
    const whole = await found([one]);
    const wrong = ['lladdr', '02:de:ad:be:ef:01', 'nud', 'permanent'];
    for (const [harm, lost] of [
      [() => stage.machine.ip('neigh', 'flush', 'nud', 'permanent', 'dev', 'egr-br-eth0'), FLOATING],
      [() => inside.ip('neigh', 'flush', 'all', 'nud', 'permanent'), one.nic.info.address],
      [() => one.namespace.ip('neigh', 'delete', '172.16.0.1', 'dev', 'eth0'), '172.16.0.1'],
      [() => inside.ip('neigh', 'replace', HOST, 'dev', names.egressInner, ...wrong), HOST],
      [() => inside.ip('neigh', 'replace', '172.16.99.9', 'dev', names.innerInner, ...wrong), '172.16.99.9'],
      [
        async () => {
          for (const way of ['down', 'up']) await stage.machine.ip('link', 'set', 'egr-br-eth0', way);
        },
        FLOATING,
      ],
    ] as const) {
      await harm();
      expect(await found([one])).not.toEqual(whole);
      expect(repairLines(await stage.host.reconcile())).toContain(lost);
      expect(await found([one])).toEqual(whole);
      expect(await stage.host.reconcile()).toEqual([]);
      expect(await pings(stage.outside, FLOATING)).toBe(true);
    }
  });

  test('the entry of an address follows its MAC; without anti-spoofing there is no permanent entry', async () => {
    const address = '172.16.0.7';
    for (const [name, mac] of [
      ['first', '02:00:00:00:00:01'],
      ['second', '02:00:00:00:00:02'],
    ] as const) {
      // A failed lookup before the attach leaves a failed entry in the table.
      await inside.attempt('ping', '-c1', '-W1', address);
      const { namespace, nic } = await stage.container(network, name, { address, mac });
      expect(await permanent(inside)).toContain(`${address} ${mac} ${names.innerInner}`);
      expect(await pings(inside, address)).toBe(true);
      expect(await pings(namespace, '10.0.0.1')).toBe(true);
      await nic.detach();
      expect((await neighbours(inside)).filter(({ dst }) => dst === address)).toEqual([]);
    }
    const { namespace } = await stage.container(network, 'free', { address, antiSpoofing: false });
    expect((await permanent(inside)).join()).not.toContain(address);
    await namespace.ip('link', 'set', 'eth0', 'down');
    await namespace.ip('link', 'set', 'eth0', 'address', '02:00:00:00:00:03', 'up');
    await namespace.ip('route', 'replace', 'default', 'via', '172.16.0.1');
    expect(await pings(namespace, '10.0.0.1')).toBe(true);
  });

  test('the entry of a DHCP client is permanent', async () => {
    const served = await stage.network({ name: 'served', netblock: '172.18.0.0/24' });
    const { nic, lease } = await stage.client(served, 'client');
    expect(lease?.ip).toBe(nic.info.address);
    const link = networkNames(served.info.vni).innerInner;
    expect(await permanent(stage.inside(served))).toContain(`${nic.info.address} ${nic.info.mac} ${link}`);
    expect(await stage.host.reconcile()).toEqual([]);
  });

  test('a failed attach removes its entries', async () => {
    const before = await permanent(inside);
    const address = '172.16.0.8';
    const guest = await TestNamespace.create('taken');
    try {
      await guest.ip('link', 'add', 'eth0', 'type', 'bridge');
      const options = { netns: guest.name, name: 'eth0', configure: true, address };
      await expect(network.attach(options)).rejects.toMatchObject({
        name: 'ConflictError',
        message: expect.stringContaining('eth0'),
      });
      expect(await permanent(inside)).toEqual(before);
      await guest.ip('link', 'delete', 'eth0');
      await network.attach(options);
      expect(await permanent(inside)).toHaveLength(before.length + 1);
    } finally {
      await guest.remove();
    }
  });

  test('containers that talk to the outside add no entry that is subject to the limit', async () => {
    const instances: Instance[] = [];
    for (let number = 0; number < 16; number++) instances.push(await stage.container(network, `many${number}`));
    for (const { namespace } of instances) expect(await pings(namespace, '10.0.0.1')).toBe(true);
    const places = [inside, ...instances.map(({ namespace }) => namespace)];
    for (const place of places) expect(await counted(place)).toEqual([]);
    // Positive control: they need ARP for each other.
    const [one, two] = instances as [Instance, Instance];
    expect(await pings(one.namespace, two.nic.info.address)).toBe(true);
    expect(await counted(one.namespace)).toHaveLength(1);
  });

  test('an instance that fills the table does not disconnect the others', async () => {
    const victim = await stage.container(network, 'victim');
    await victim.nic.float({ address: FLOATING });
    const attacker = await stage.container(network, 'attacker');
    // vethwork does not manage the entries of the uplink and its neighbour.
    for (const [from, to] of [
      [stage.machine, stage.outside],
      [stage.outside, stage.machine],
    ] as const) {
      const address = to === stage.outside ? '10.0.0.1' : '10.0.0.74';
      const mac = ['lladdr', await macOf(to, 'eth0'), 'dev', 'eth0', 'nud', 'permanent'];
      await from.ip('neigh', 'replace', address, ...mac);
    }
    const { fulls } = await statistics();
    const scan = `
import socket, struct, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setblocking(False)
# What waits for a neighbour counts for the socket (SO_SNDBUFFORCE).
s.setsockopt(socket.SOL_SOCKET, 32, 1 << 26)
end = time.time() + 20
while time.time() < end:
    for address in range(0xac100a00, 0xac10ff00):
        try: s.sendto(b'x', (socket.inet_ntoa(struct.pack('!I', address)), 9))
        except OSError: pass
`;
    const running = stage.start(attacker.namespace, '/usr/bin/python3', '-c', scan);
    try {
      await eventually(async () => (await statistics()).fulls > fulls);
      for (const place of [stage.machine, inside, victim.namespace]) await place.ip('neigh', 'flush', 'all');
      const still = await statistics();
      expect(await pings(victim.namespace, '10.0.0.1')).toBe(true);
      expect(await pings(stage.outside, FLOATING)).toBe(true);
      // Positive control: the table is full during the test.
      await eventually(async () => (await statistics()).fulls > still.fulls);
    } finally {
      await running.stop();
    }
  });
});

describe.skipIf(!privileged)('an instance that scans the floating network', () => {
  test('has few unresolved addresses at a time, and reaches existing ones afterwards', async () => {
    await using stage = await Walkthrough.open();
    const network = await stage.network({ provideDhcp: false });
    const other = await stage.network({ name: 'other', netblock: '172.17.0.0/24', provideDhcp: false });
    const target = await stage.container(other, 'target');
    await target.nic.float({ address: FLOATING });
    const { namespace } = await stage.container(network, 'scanner');
    const inside = stage.inside(network);
    const scan = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for address in range(100, 250): s.sendto(b'x', ('192.168.15.%d' % address, 9))
`;
    await namespace.run('/usr/bin/python3', '-c', scan);
    const asked = (await counted(inside)).filter(({ dst }) => dst.startsWith('192.168.15.'));
    // Positive control: it sends requests.
    expect(asked.length).toBeGreaterThan(32);
    expect(asked.length).toBeLessThanOrEqual(64);
    await eventually(() => pings(namespace, FLOATING));
    expect(await stage.host.reconcile({ dryRun: true })).toEqual([]);
  });
});

describe.skipIf(!privileged)('a scan through the host', () => {
  /** Sends one datagram to each address of a range. */
  const scan = (from: TestNamespace, first: string, count: number) =>
    from.run(
      '/usr/bin/python3',
      '-c',
      `
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
first, = struct.unpack('!I', socket.inet_aton('${first}'))
for address in range(first, first + ${count}):
    try: s.sendto(b'x', (socket.inet_ntoa(struct.pack('!I', address)), 9))
    except OSError: pass
`,
    );

  test('of a network outside needs one entry, that of the next router, with NAT and for a routed address', async () => {
    await using stage = await Walkthrough.open({ options: { outboundNat: true } });
    const network = await stage.network({ provideDhcp: false });
    const { namespace } = await stage.container(network, 'scanner');
    const inside = stage.inside(network);
    const routed = await network.routeAddress();
    await namespace.ip('address', 'add', `${routed}/32`, 'dev', 'eth0');
    await stage.machine.ip('neigh', 'flush', 'all');
    await using ear = await Ear.open(stage.outside, 'eth0', '-Q', 'in', 'udp port 9 and dst net 10.55.0.0/16');
    await scan(namespace, '10.55.0.1', 3000);
    // The control: it does get out.
    await ear.until(/> 10\.55\./);
    const outside = (await counted(stage.machine)).filter(({ dst }) => dst.startsWith('10.55.'));
    expect([outside, await counted(inside), await counted(namespace)]).toEqual([[], [], []]);
    expect((await counted(stage.machine)).map(({ dst }) => dst)).toEqual(['10.0.0.1']);
  });

  test('of the floating network from outside takes at most as many entries as it has addresses', async () => {
    await using stage = await Walkthrough.open({ options: { outboundNat: true } });
    const network = await stage.network({ provideDhcp: false });
    const target = await stage.container(network, 'target');
    await target.nic.float({ address: FLOATING });
    await scan(stage.outside, '192.168.15.0', 256);
    const asked = (await counted(stage.machine)).filter(({ dst }) => dst.startsWith('192.168.15.'));
    // The control: it is asked for what nobody has.
    expect(asked.length).toBeGreaterThan(32);
    expect(asked.length).toBeLessThan(254);
    expect(asked.map(({ dst }) => dst)).not.toContain(FLOATING);
    expect(await counted(stage.inside(network))).toEqual([]);
    // Who has an address is reached all the same.
    expect(await pings(stage.outside, FLOATING)).toBe(true);
  });
});

describe.skipIf(!privileged)('a larger neighbour table', () => {
  const read = async () =>
    (await attempt('sysctl', '-n', ...THRESHOLDS)).stdout.trim().split('\n').map(Number) as [number, number, number];

  test('is set only on request, and never reduced', async () => {
    const before = await read();
    const wanted = Math.max(2048, 2 * before[2]);
    try {
      for (const [neighbourTable, after] of [
        [undefined, before],
        [wanted, [wanted / 8, wanted / 2, wanted].map((value, index) => Math.max(value, before[index] as number))],
        [wanted / 2, [wanted / 8, wanted / 2, wanted].map((value, index) => Math.max(value, before[index] as number))],
      ] as const) {
        const options = neighbourTable === undefined ? {} : { neighbourTable };
        await using stage = await Walkthrough.open({ options });
        expect(await read()).toEqual(after);
        expect(await stage.host.reconcile()).toEqual([]);
      }
    } finally {
      for (const [index, key] of THRESHOLDS.entries()) await attempt('sysctl', '-qw', `${key}=${before[index]}`);
    }
    expect(await read()).toEqual(before);
  });

  test('is rejected where this process cannot set it', async () => {
    const program = new URL('../../../dist/cli/main.js', import.meta.url).pathname;
    await using host = await TestNamespace.create('elsewhere');
    await host.ip('link', 'add', 'up0', 'type', 'bridge');
    await host.ip('link', 'set', 'up0', 'up');
    const state = `/tmp/vethwork-test-${host.name}`;
    const init = (...options: string[]) => {
      const argv = ['--state-dir', state, '--egress-nic', 'up0', '--floating-network', '192.168.15.0/24', 'init'];
      return host.attempt(process.execPath, program, ...argv, ...options);
    };
    try {
      const refused = await init('--neighbour-table', '4096');
      expect(refused.exitCode).toBe(2);
      expect(refused.stderr).toContain('neighbourTable');
      expect(await host.ip('link')).not.toContain('egr-br-up0');
      // Positive control: it works without the option.
      expect(await init()).toMatchObject({ exitCode: 0 });
      const torn = await host.attempt(process.execPath, program, '--state-dir', state, 'teardown');
      expect(torn.exitCode).toBe(0);
    } finally {
      await attempt('rm', '-rf', state);
    }
  });
});
