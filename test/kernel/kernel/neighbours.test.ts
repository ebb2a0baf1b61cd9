import { describe, expect, test } from 'vitest';
import type { Neighbour, Operation } from '../../../src/kernel/index.js';
import { openStage, rejection } from '../../support/kernel.js';
import { eventually, json, privileged } from '../../support/namespaces.js';

interface FdbEntry {
  mac: string;
  ifname: string;
  dst?: string;
  port?: number;
  vni?: number;
  src_vni?: number;
  viaIf?: string;
  nhid?: number;
  vlan?: number;
  flags: string[];
  master?: string;
  state: string;
}

interface IpNeighbour {
  dst: string;
  dev: string;
  lladdr?: string;
  state?: string[];
  proxy?: null;
  router?: null;
  managed?: null;
  extern_learn?: null;
  protocol?: string;
}

function fdb(netns: string, device: string): Promise<FdbEntry[]> {
  return json<FdbEntry[]>('bridge', '-n', netns, '-d', '-j', 'fdb', 'show', 'dev', device);
}

function neighbours(netns: string, ...more: string[]): Promise<IpNeighbour[]> {
  return json<IpNeighbour[]>('ip', '-n', netns, '-j', 'neigh', 'show', 'nud', 'all', ...more);
}

const mac = '02:00:00:bd:cd:9b';
const broadcast = '00:00:00:00:00:00';

function furnish(netns: string): Operation[] {
  return [
    {
      op: 'link.add',
      netns,
      link: { kind: 'bridge', name: 'br', index: 5000, address: '02:00:00:00:50:00', up: true },
    },
    {
      op: 'link.add',
      netns,
      link: {
        kind: 'vxlan',
        name: 'vx',
        index: 5001,
        master: 5000,
        up: true,
        data: { id: 7, local: '192.0.2.1', port: 4789, learning: false },
      },
    },
    {
      op: 'link.add',
      netns,
      link: { kind: 'veth', name: 'a', index: 5002, master: 5000, up: true, data: { peer: { name: 'b' } } },
    },
  ];
}

/** A port of the bridge that leads into another namespace; the bridge has an address. */
function connect(netns: string, other: string): Operation[] {
  return [
    { op: 'address.add', netns, address: { index: 5000, address: '10.0.0.1/24' } },
    {
      op: 'link.add',
      netns,
      link: {
        kind: 'veth',
        name: 'c',
        index: 5010,
        master: 5000,
        up: true,
        data: { peer: { name: 'd', netns: other, index: 5011, address: mac } },
      },
    },
  ];
}

/** The other end of that port, reachable. */
function answer(netns: string): Operation[] {
  return [
    { op: 'link.set', netns, link: { index: 5011 }, changes: { up: true } },
    { op: 'address.add', netns, address: { index: 5011, address: '10.0.0.9/24' } },
  ];
}

describe.skipIf(!privileged)('neighbours', () => {
  test.each<[string, Omit<Neighbour, 'index'>, Partial<IpNeighbour>]>([
    [
      'IPv4',
      { destination: '10.0.0.9', address: mac, state: 'permanent' },
      { dst: '10.0.0.9', lladdr: mac, state: ['PERMANENT'] },
    ],
    [
      'IPv6',
      { destination: 'fd00::9', address: mac, state: 'permanent' },
      { dst: 'fd00::9', lladdr: mac, state: ['PERMANENT'] },
    ],
    ['that never asks', { destination: '10.0.0.9', address: mac, state: 'noarp' }, { state: ['NOARP'] }],
    [
      'a router',
      { destination: 'fd00::9', address: mac, state: 'permanent', router: true },
      { state: ['PERMANENT'], router: null },
    ],
    [
      'learnt elsewhere',
      { destination: '10.0.0.9', address: mac, state: 'stale', externallyLearned: true },
      { state: ['STALE'], extern_learn: null },
    ],
    [
      'made by someone',
      { destination: '10.0.0.9', address: mac, state: 'permanent', protocol: 150 },
      { protocol: '150' },
    ],
    ['that goes stale', { destination: '10.0.0.9', address: mac, state: 'stale' }, { state: ['STALE'] }],
  ])('%s', async (_, entry, expected) => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const neighbour: Neighbour = { index: 5000, ...entry };
    await kernel.transaction([...furnish(netns), { op: 'neighbour.add', netns, neighbour }]);
    const find = async () => (await neighbours(netns)).find(({ dst }) => dst === entry.destination);
    expect(await find()).toMatchObject({ dev: 'br', ...expected });
    expect(
      (await kernel.query('neighbour.list', { netns })).find((n) => n.destination === entry.destination),
    ).toMatchObject(neighbour);
    expect(await rejection(kernel.transaction([{ op: 'neighbour.add', netns, neighbour }]))).toMatchObject({
      code: 'EEXIST',
      operation: `add neighbour ${entry.destination} of link 5000`,
    });
    await kernel.transaction([
      { op: 'neighbour.add', netns, mode: 'replace', neighbour: { ...neighbour, address: '02:00:00:00:00:01' } },
    ]);
    expect(await find()).toMatchObject({ lladdr: '02:00:00:00:00:01' });
    await kernel.transaction([
      { op: 'neighbour.delete', netns, neighbour: { index: 5000, destination: entry.destination as string } },
    ]);
    expect((await find())?.lladdr).toBeUndefined();
  });

  test('a managed entry is refreshed by the kernel', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const neighbour: Neighbour = { index: 5000, destination: '10.0.0.9', state: 'none', managed: true };
    await kernel.transaction([...furnish(netns), { op: 'neighbour.add', netns, neighbour }]);
    expect((await neighbours(netns)).find(({ dst }) => dst === '10.0.0.9')).toMatchObject({ managed: null });
    const listed = await kernel.query('neighbour.list', { netns });
    expect(listed.find(({ destination }) => destination === '10.0.0.9')).toMatchObject({ managed: true });
  });

  test('an entry with the flag use is resolved at once', async () => {
    await using stage = await openStage(2);
    const { kernel, netns, other } = stage;
    await kernel.transaction([...furnish(netns), ...connect(netns, other.name), ...answer(other.name)]);
    const one = (destination: string, use: boolean): Operation => ({
      op: 'neighbour.add',
      netns,
      neighbour: { index: 5000, destination, state: 'none', use },
    });
    await kernel.transaction([one('10.0.0.8', false), one('10.0.0.9', true)]);
    const find = async (wanted: string) => (await neighbours(netns)).find(({ dst }) => dst === wanted);
    expect(await eventually(async () => (await find('10.0.0.9'))?.lladdr)).toBe(mac);
    expect(await find('10.0.0.8')).toEqual({ dst: '10.0.0.8', dev: 'br' });
  });

  test('a proxy entry', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const neighbour: Neighbour = { index: 5000, destination: '10.0.0.9', proxy: true };
    await kernel.transaction([...furnish(netns), { op: 'neighbour.add', netns, neighbour }]);
    expect(await json('ip', '-n', netns, '-j', 'neigh', 'show', 'proxy')).toMatchObject([
      { dst: '10.0.0.9', dev: 'br' },
    ]);
    expect(await kernel.query('neighbour.list', { netns, family: 'inet', proxy: true })).toMatchObject([
      { index: 5000, destination: '10.0.0.9', proxy: true },
    ]);
    await kernel.transaction([{ op: 'neighbour.delete', netns, neighbour }]);
    expect(await json('ip', '-n', netns, '-j', 'neigh', 'show', 'proxy')).toEqual([]);
  });
});

describe.skipIf(!privileged)('the forwarding database', () => {
  test('entries for VTEPs of a VXLAN link: flooding to several, one MAC to one, with VNI and port', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const vtep = (destination: string): Neighbour => ({
      family: 'bridge',
      index: 5001,
      address: broadcast,
      destination,
      self: true,
      state: 'permanent',
    });
    const known: Neighbour = {
      family: 'bridge',
      index: 5001,
      address: mac,
      destination: '192.0.2.9',
      self: true,
      state: 'permanent',
      vni: 9,
      port: 4790,
    };
    const before = furnish(netns);
    await kernel.transaction([
      ...before,
      { op: 'neighbour.add', netns, mode: 'append', neighbour: vtep('192.0.2.2') },
      { op: 'neighbour.add', netns, mode: 'append', neighbour: vtep('192.0.2.3') },
      { op: 'neighbour.add', netns, neighbour: known },
    ]);
    const flood = async () => (await fdb(netns, 'vx')).filter((e) => e.mac === broadcast).map(({ dst }) => dst);
    expect(await flood()).toEqual(['192.0.2.2', '192.0.2.3']);
    expect((await fdb(netns, 'vx')).find((e) => e.mac === mac)).toMatchObject({
      dst: '192.0.2.9',
      vni: 9,
      port: 4790,
      flags: ['self'],
      state: 'permanent',
    });
    const listed = await kernel.query('neighbour.list', { netns, family: 'bridge' });
    expect(listed).toContainEqual(expect.objectContaining(known));
    expect(listed).toContainEqual(expect.objectContaining(vtep('192.0.2.2')));
    // A second time, without duplicates.
    await kernel.transaction([{ op: 'neighbour.add', netns, mode: 'append', neighbour: vtep('192.0.2.3') }]);
    expect(await flood()).toEqual(['192.0.2.2', '192.0.2.3']);
    await kernel.transaction([{ op: 'neighbour.delete', netns, neighbour: vtep('192.0.2.2') }]);
    expect(await flood()).toEqual(['192.0.2.3']);
    // The deletion of a missing entry is no error, and the others stay.
    await kernel.transaction([{ op: 'neighbour.delete', netns, neighbour: vtep('192.0.2.2') }]);
    expect(await flood()).toEqual(['192.0.2.3']);
  });

  test('entries of a port of a bridge: static, sticky, learned externally', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const entries: Neighbour[] = [
      { family: 'bridge', index: 5002, address: '02:00:00:00:00:01', master: true, state: 'permanent' },
      { family: 'bridge', index: 5002, address: '02:00:00:00:00:02', master: true, state: 'noarp' },
      { family: 'bridge', index: 5002, address: '02:00:00:00:00:03', master: true, state: 'noarp', sticky: true },
      {
        family: 'bridge',
        index: 5002,
        address: '02:00:00:00:00:04',
        master: true,
        state: 'reachable',
        externallyLearned: true,
      },
    ];
    await kernel.transaction([
      ...furnish(netns),
      ...entries.map((neighbour): Operation => ({ op: 'neighbour.add', netns, neighbour })),
    ]);
    const shown = new Map((await fdb(netns, 'a')).map((entry) => [entry.mac, entry]));
    expect(shown.get('02:00:00:00:00:01')).toMatchObject({ master: 'br', state: 'permanent' });
    expect(shown.get('02:00:00:00:00:02')).toMatchObject({ master: 'br', state: 'static' });
    expect(shown.get('02:00:00:00:00:03')).toMatchObject({ flags: expect.arrayContaining(['sticky']) });
    expect(shown.get('02:00:00:00:00:04')).toMatchObject({ flags: expect.arrayContaining(['extern_learn']) });
    const listed = await kernel.query('neighbour.list', { netns, family: 'bridge' });
    for (const { master, ...entry } of entries) expect(listed).toContainEqual(expect.objectContaining(entry));
    await kernel.transaction(entries.map((neighbour): Operation => ({ op: 'neighbour.delete', netns, neighbour })));
    expect((await fdb(netns, 'a')).filter((entry) => /^02:00:00:00:00/.test(entry.mac))).toEqual([]);
  });

  test('a VXLAN link for all networks has an entry for each VNI, and can send through another link', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const at = { family: 'bridge', index: 5020, self: true, state: 'permanent' } as const;
    const entries: Neighbour[] = [
      { ...at, address: mac, destination: '192.0.2.8', sourceVni: 5 },
      { ...at, address: mac, destination: '192.0.2.9', sourceVni: 6, vni: 9, via: 5000 },
    ];
    await kernel.transaction([
      ...furnish(netns),
      {
        op: 'link.add',
        netns,
        link: { kind: 'vxlan', name: 'vy', index: 5020, up: true, data: { collectMetadata: true, port: 4790 } },
      },
      ...entries.map((neighbour): Operation => ({ op: 'neighbour.add', netns, neighbour })),
    ]);
    const shown = async () => (await fdb(netns, 'vy')).filter((entry) => entry.mac === mac);
    expect(await shown()).toHaveLength(2);
    expect(await shown()).toContainEqual(expect.objectContaining({ dst: '192.0.2.8', src_vni: 5 }));
    expect(await shown()).toContainEqual(
      expect.objectContaining({ dst: '192.0.2.9', src_vni: 6, vni: 9, viaIf: 'br' }),
    );
    const listed = await kernel.query('neighbour.list', { netns, family: 'bridge' });
    for (const entry of entries) expect(listed).toContainEqual(expect.objectContaining(entry));
    await kernel.transaction([{ op: 'neighbour.delete', netns, neighbour: entries[1] as Neighbour }]);
    expect(await shown()).toMatchObject([{ dst: '192.0.2.8', src_vni: 5 }]);
  });

  test('entries with next hop objects', async () => {
    await using stage = await openStage();
    const { kernel, netns, namespace } = stage;
    const entry = (nextHopId: number): Neighbour => ({
      family: 'bridge',
      index: 5001,
      address: mac,
      self: true,
      state: 'permanent',
      nextHopId,
    });
    await kernel.transaction(furnish(netns));
    await namespace.ip('nexthop', 'add', 'id', '10', 'via', '192.0.2.9', 'fdb');
    await namespace.ip('nexthop', 'add', 'id', '12', 'group', '10', 'fdb');
    await kernel.transaction([{ op: 'neighbour.add', netns, neighbour: entry(12) }]);
    expect((await fdb(netns, 'vx')).find((e) => e.mac === mac)).toMatchObject({ nhid: 12, flags: ['self'] });
    expect(await kernel.query('neighbour.list', { netns, family: 'bridge' })).toContainEqual(
      expect.objectContaining(entry(12)),
    );
    const none = { ...entry(13), address: '02:00:00:00:00:13' };
    expect(await rejection(kernel.transaction([{ op: 'neighbour.add', netns, neighbour: none }]))).toMatchObject({
      code: 'EINVAL',
      extack: 'Nexthop id does not exist',
    });
  });

  test('a sender at a locked port is reported, passes when its entry is replaced, and cannot be added with the flag locked', async () => {
    await using stage = await openStage(2);
    const { kernel, netns, other } = stage;
    const neighbour: Neighbour = { family: 'bridge', index: 5010, address: mac, master: true };
    await kernel.transaction([
      ...furnish(netns),
      ...connect(netns, other.name),
      { op: 'link.port', netns, index: 5010, port: { locked: true, macAuthenticationBypass: true } },
      ...answer(other.name),
    ]);
    expect(
      await rejection(
        kernel.transaction([
          { op: 'neighbour.add', netns, neighbour: { ...neighbour, address: '02:00:00:00:00:05', locked: true } },
        ]),
      ),
    ).toMatchObject({ code: 'EINVAL', extack: expect.stringContaining('"locked" flag') });
    const ping = () => kernel.ping('10.0.0.1', { netns: other.name, timeout: 300 });
    const listed = async () =>
      (await kernel.query('neighbour.list', { netns, family: 'bridge' })).find(
        ({ address, index }) => address === mac && index === 5010,
      );
    await eventually(async () => {
      expect(await ping()).toBeUndefined();
      return (await listed())?.locked;
    });
    expect((await fdb(netns, 'c')).map((entry) => entry.mac)).toContain(mac);
    await kernel.transaction([
      { op: 'neighbour.add', netns, mode: 'replace', neighbour: { ...neighbour, state: 'noarp' } },
    ]);
    expect(await listed()).not.toHaveProperty('locked');
    expect(await eventually(ping)).toBeGreaterThan(0);
  });

  test('entries of bridge are listed as bridge shows them', async () => {
    await using stage = await openStage();
    const { kernel, netns, namespace } = stage;
    await kernel.transaction(furnish(netns));
    await namespace.run('bridge', 'fdb', 'append', broadcast, 'dev', 'vx', 'dst', '192.0.2.7', 'self', 'permanent');
    await namespace.run('bridge', 'fdb', 'add', mac, 'dev', 'a', 'master', 'static');
    const names = new Map((await kernel.query('link.list', { netns })).map(({ index, name }) => [index, name]));
    const states: Record<string, string> = { noarp: 'static', reachable: '', stale: 'stale', permanent: 'permanent' };
    const theirs = (await json<FdbEntry[]>('bridge', '-n', netns, '-d', '-j', 'fdb')).map((e) =>
      [e.mac, e.ifname, e.dst ?? '', e.state, e.flags.includes('self'), e.master ?? ''].join(' '),
    );
    const ours = (await kernel.query('neighbour.list', { netns, family: 'bridge' })).map((e) =>
      [
        e.address,
        names.get(e.index),
        e.destination ?? '',
        states[e.state ?? ''] ?? e.state,
        e.self === true,
        names.get((e as { masterIndex?: number }).masterIndex ?? 0) ?? '',
      ].join(' '),
    );
    expect(ours.sort()).toEqual(theirs.sort());
    expect(ours.length).toBeGreaterThan(5);
  });

  test.each<[string, unknown, string]>([
    ['neither family nor destination', { index: 5, address: mac }, 'destination'],
    ['a destination of another family', { index: 5, family: 'inet', destination: 'fd00::1' }, 'destination'],
    ['no link', { destination: '10.0.0.1' }, 'index'],
    ['a MAC that is none', { index: 5, destination: '10.0.0.1', address: 'x' }, 'address'],
    ['a VLAN of 4095', { index: 5, family: 'bridge', address: mac, vlan: 4095 }, 'vlan'],
    ['a VNI of 2^24', { index: 5, family: 'bridge', address: mac, vni: 2 ** 24 }, 'vni'],
    ['a port of 65536', { index: 5, family: 'bridge', address: mac, port: 65536 }, 'port'],
    ['a state that is none', { index: 5, destination: '10.0.0.1', state: 'happy' }, 'state'],
    ['an unknown property', { index: 5, destination: '10.0.0.1', colour: 1 }, 'colour'],
  ])('invalid arguments are rejected before anything is sent: %s', async (_, neighbour, field) => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const operations = [...furnish(netns), { op: 'neighbour.add', netns, neighbour } as unknown as Operation];
    expect(await rejection(kernel.transaction(operations))).toMatchObject({
      name: 'ValidationError',
      field: `operations[${operations.length - 1}].neighbour.${field}`,
    });
    expect(await kernel.query('link.list', { netns })).toHaveLength(1);
  });
});
