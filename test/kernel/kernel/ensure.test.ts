import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Kernel,
  type Neighbour,
  type NftCommand,
  type Operation,
  openKernel,
  type Route,
  type Rule,
  type WriteMode,
} from '../../../src/kernel/index.js';
import { json, privileged, TestNamespace } from '../../support/namespaces.js';

const BRIDGE = 0x5000_0001;
const VXLAN = 0x5000_0002;

describe.skipIf(!privileged)('kernel.ensure', () => {
  let kernel: Kernel;

  beforeAll(() => {
    kernel = openKernel();
  });

  afterAll(() => kernel.close());

  function desiredPlan(netns: string): Operation[] {
    const index = 0x5000_0001;
    return [
      { op: 'sysctl.set', netns, key: 'ipv4/ip_forward', value: 1 },
      { op: 'link.add', netns, link: { kind: 'bridge', name: 'br0', index, address: '02:00:00:00:00:01' } },
      { op: 'link.set', netns, link: { index }, changes: { up: true, mtu: 1400, alias: 'ours' } },
      { op: 'link.add', netns, link: { kind: 'veth', name: 'port', master: index, data: { peer: { name: 'other' } } } },
      { op: 'address.add', netns, address: { index, address: '192.0.2.1/24' } },
      { op: 'route.add', netns, route: { destination: '198.51.100.0/24', gateway: '192.0.2.2', index } },
      { op: 'rule.add', netns, rule: { priority: 100, mark: 7, table: 7 } },
    ];
  }

  const state = async (netns: string) => ({
    links: await json('ip', '-n', netns, '-d', '-j', 'link'),
    addresses: await json('ip', '-n', netns, '-j', 'address'),
    routes: await json('ip', '-n', netns, '-j', 'route'),
    rules: await json('ip', '-n', netns, '-j', 'rule'),
  });

  it('creates everything once, and changes nothing in a hundred further calls', async () => {
    await using namespace = await TestNamespace.create('ensure');
    // Duplicate address detection would change what ip shows meanwhile.
    await namespace.run('sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=1');
    // A new namespace has the values of the machine.
    await namespace.run('sysctl', '-qw', 'net.ipv4.ip_forward=0');
    const operations = desiredPlan(namespace.name);
    expect(await kernel.ensure(operations)).toEqual(operations);
    await namespace.ip('link', 'set', 'port', 'up');
    // The kernel updates the carrier of the bridge with a delay (linkwatch).
    const bridge = () => json<{ operstate: string }[]>('ip', '-n', namespace.name, '-j', 'link', 'show', 'br0');
    await expect.poll(async () => (await bridge())[0]?.operstate).toBe('DOWN');
    const before = JSON.stringify(await state(namespace.name), (key, value) => (key.endsWith('_timer') ? 0 : value));
    for (let round = 0; round < 100; round++) expect(await kernel.ensure(operations)).toEqual([]);
    const after = JSON.stringify(await state(namespace.name), (key, value) => (key.endsWith('_timer') ? 0 : value));
    expect(after).toBe(before);
  });

  /** Links that the others are about. */
  const stage = (netns: string, elsewhere: string): Operation[] => [
    { op: 'link.add', netns, link: { kind: 'bridge', name: 'br0', index: BRIDGE, up: true, mtu: 1400 } },
    {
      op: 'link.add',
      netns,
      link: {
        kind: 'vxlan',
        name: 'vx0',
        index: VXLAN,
        master: BRIDGE,
        up: true,
        group: 7,
        data: { id: 5, port: 4789 },
      },
    },
    { op: 'link.add', netns, link: { kind: 'bridge', name: 'far', netns: elsewhere, up: true } },
    { op: 'address.add', netns, address: { index: BRIDGE, address: '192.0.2.1/24' } },
    { op: 'address.add', netns, address: { index: BRIDGE, address: 'fd00:0::0001/64', nodad: true } },
  ];

  const everything = (netns: string, elsewhere: string): Operation[] => {
    const rule = (rule: Rule): Operation => ({ op: 'rule.add', netns, rule });
    const route = (route: Route): Operation => ({ op: 'route.add', netns, route });
    const neighbour = (neighbour: Omit<Neighbour, 'index'>, index = BRIDGE, mode?: WriteMode): Operation => ({
      op: 'neighbour.add',
      netns,
      neighbour: { index, ...neighbour },
      ...(mode && { mode }),
    });
    const table = { family: 'inet', table: 'ours' } as const;
    const everybody = { family: 'bridge', address: '00:00:00:00:00:00', self: true } as const;
    return [
      ...stage(netns, elsewhere),
      rule({ priority: 100, table: 7 }),
      rule({ priority: 100, source: '10.0.0.0/8', table: 7 }),
      rule({ priority: 100, source: '11.0.0.0/8', table: 7, invert: true }),
      rule({ priority: 100, family: 'inet6', table: 7 }),
      rule({ priority: 101, mark: 1, mask: 0xf, ipProtocol: 6, destinationPorts: { low: 1, high: 2 }, table: 8 }),
      rule({ priority: 102, action: 'blackhole', mark: 9 }),
      route({ destination: 'default', gateway: '192.0.2.9' }),
      route({ destination: 'default', gateway: 'fd00::9' }),
      route({ destination: '198.51.100.0/24', index: BRIDGE, metric: 5, mtu: 1300 }),
      route({ destination: '198.51.100.0/24', index: BRIDGE, metric: 6 }),
      route({ destination: '203.0.113.0/24', type: 'blackhole' }),
      route({ destination: 'fd01::/64', gateway: 'fd00:0:0::9', table: 7 }),
      route({
        destination: '203.0.113.128/25',
        nextHops: [
          { index: BRIDGE, gateway: '192.0.2.3' },
          { index: BRIDGE, gateway: '192.0.2.2', weight: 3 },
        ],
      }),
      neighbour({ destination: '192.0.2.7', address: '02:00:00:00:00:0A', state: 'permanent' }),
      neighbour({ destination: 'fd00::7', address: '02:00:00:00:00:0a' }),
      neighbour({ destination: '192.0.2.8', proxy: true }),
      neighbour({ destination: 'fd00::8', proxy: true }),
      neighbour({ ...everybody, destination: '10.0.0.2' }, VXLAN, 'append'),
      neighbour({ ...everybody, destination: '10.0.0.3' }, VXLAN, 'append'),
      neighbour({ family: 'bridge', address: '02:00:00:00:00:0b', master: true, state: 'permanent' }, VXLAN),
      {
        op: 'nftables.batch',
        netns,
        commands: [
          { command: 'table.add', family: 'inet', name: 'ours' },
          { command: 'chain.add', ...table, name: 'c' },
          { command: 'set.add', ...table, name: 's', keyType: 'inet_service', interval: true },
          { command: 'counter.add', ...table, name: 'n' },
          {
            command: 'rule.add',
            ...table,
            chain: 'c',
            expressions: [
              { expression: 'limit', rate: 10, unit: 'second' },
              { expression: 'quota', bytes: 1000, invert: false },
              { expression: 'log', prefix: 'x' },
              { expression: 'fib', result: 'type', flags: ['iif', 'daddr'], register: 1 },
            ],
          },
          {
            command: 'element.add',
            ...table,
            set: 's',
            keyType: 'inet_service',
            interval: true,
            elements: [{ key: 80 }, { key: 90, keyEnd: 99 }],
          },
        ],
      },
    ];
  };

  it('recognises everything that it created, of every kind', async () => {
    await using namespace = await TestNamespace.create('ensure');
    await using elsewhere = await TestNamespace.create('ensure');
    const operations = everything(namespace.name, elsewhere.name);
    expect((await kernel.ensure(operations)).map(({ op }) => op)).toEqual(operations.map(({ op }) => op));
    expect(await kernel.ensure(operations)).toEqual([]);
    // Each operation separately, so that no other hides a difference.
    for (const operation of operations) expect(await kernel.ensure([operation]), JSON.stringify(operation)).toEqual([]);
  });

  it.each<[string, string[]]>([
    ['a rule of another source', ['rule', 'del', 'priority', '100', 'from', '10.0.0.0/8']],
    ['a rule of IPv6', ['-6', 'rule', 'del', 'priority', '100']],
    ['a route of another metric', ['route', 'del', '198.51.100.0/24', 'metric', '6']],
    ['a default route of IPv6', ['-6', 'route', 'del', 'default']],
    ['a next hop', ['route', 'change', '203.0.113.128/25', 'via', '192.0.2.3']],
    ['a neighbour', ['neigh', 'del', '192.0.2.7', 'dev', 'br0']],
    ['a proxy of IPv6', ['neigh', 'del', 'proxy', 'fd00::8', 'dev', 'br0']],
    ['a link that is down', ['link', 'set', 'vx0', 'down']],
    ['a group', ['link', 'set', 'vx0', 'group', '8']],
  ])('detects %s', async (_what, change) => {
    await using namespace = await TestNamespace.create('ensure');
    await using elsewhere = await TestNamespace.create('ensure');
    const operations = everything(namespace.name, elsewhere.name);
    await kernel.ensure(operations);
    await namespace.ip(...change);
    const again = operations.map((each) =>
      each.op === 'route.add' && each.route.nextHops ? { ...each, mode: 'replace' as const } : each,
    );
    expect(await kernel.ensure(again)).toHaveLength(1);
    expect(await kernel.ensure(again)).toEqual([]);
  });

  it('detects one missing entry of two, and adds missing objects to a table', async () => {
    await using namespace = await TestNamespace.create('ensure');
    await using elsewhere = await TestNamespace.create('ensure');
    const netns = namespace.name;
    const operations = everything(netns, elsewhere.name);
    await kernel.ensure(operations);
    await namespace.run('bridge', 'fdb', 'del', '00:00:00:00:00:00', 'dev', 'vx0', 'dst', '10.0.0.3');
    const [lost] = await kernel.ensure(operations);
    expect(lost).toMatchObject({ op: 'neighbour.add', neighbour: { destination: '10.0.0.3' } });
    const table = { family: 'inet', table: 'ours' } as const;
    const commands: NftCommand[] = [
      { command: 'chain.add', ...table, name: 'c' },
      { command: 'chain.add', ...table, name: 'more' },
      { command: 'rule.add', ...table, chain: 'more', expressions: [{ expression: 'counter' }], comment: 'seen' },
    ];
    const batch: Operation = { op: 'nftables.batch', netns, commands };
    expect(await kernel.ensure([batch])).toEqual([{ ...batch, commands: commands.slice(1) }]);
    expect(await kernel.ensure([batch])).toEqual([]);
    expect(await namespace.run('nft', 'list', 'chain', 'inet', 'ours', 'more')).toContain('comment "seen"');
  });

  it.each(['netdev', 'inet'] as const)('identifies a chain by the device of its hook: %s', async (family) => {
    await using namespace = await TestNamespace.create('ensure');
    await namespace.ip('link', 'add', 'one', 'type', 'veth', 'peer', 'name', 'two');
    const at = { family, table: 'ours' } as const;
    const listening = (device: string): Operation => ({
      op: 'nftables.batch',
      netns: namespace.name,
      commands: [
        { command: 'table.add', family, name: at.table },
        { command: 'chain.add', ...at, name: 'c', hook: { type: 'filter', hook: 'ingress', device, priority: 0 } },
        { command: 'rule.add', ...at, chain: 'c', expressions: [{ expression: 'counter' }] },
      ],
    });
    for (const device of ['one', 'two']) {
      expect(await kernel.ensure([listening(device)])).toHaveLength(1);
      expect(await kernel.ensure([listening(device)])).toEqual([]);
      const listed = await namespace.run('nft', 'list', 'table', family, 'ours');
      expect(listed.match(/hook ingress device.*?"(.*?)"/)?.[1]).toBe(device);
    }
  });

  it('creates an empty namespace once', async () => {
    await using namespace = await TestNamespace.create('ensure');
    await namespace.remove();
    const add: Operation = { op: 'namespace.add', name: namespace.name };
    expect(await kernel.ensure([add])).toEqual([add]);
    const made = await kernel.query('namespace.get', { netns: namespace.name });
    expect(await kernel.ensure([add])).toEqual([]);
    expect(await kernel.query('namespace.get', { netns: namespace.name })).toEqual(made);
  });

  it('does not accept a link of another kind', async () => {
    await using namespace = await TestNamespace.create('ensure');
    const netns = namespace.name;
    await namespace.ip('link', 'add', 'theirs', 'index', String(BRIDGE), 'type', 'veth');
    const bridge: Operation = { op: 'link.add', netns, link: { kind: 'bridge', name: 'ours', index: BRIDGE } };
    await expect(kernel.ensure([bridge])).rejects.toMatchObject({ code: 'EEXIST', takenIndexes: [BRIDGE] });
    expect(await namespace.ip('link')).toContain('theirs');
  });

  it.each([
    ['an MTU', ['link', 'set', 'br0', 'mtu', '1300'], 'link.set'],
    ['a link that is down', ['link', 'set', 'br0', 'down'], 'link.set'],
    ['a port that was taken out', ['link', 'set', 'port', 'nomaster'], 'link.set'],
    ['an address', ['address', 'del', '192.0.2.1/24', 'dev', 'br0'], 'address.add'],
    ['a rule', ['rule', 'del', 'priority', '100'], 'rule.add'],
  ])('repairs %s, and only that', async (_what, change, op) => {
    await using namespace = await TestNamespace.create('ensure');
    const operations = desiredPlan(namespace.name);
    await kernel.ensure(operations);
    await namespace.ip(...change);
    const done = await kernel.ensure(operations);
    expect(done.map((operation) => operation.op)).toContain(op);
    // A route is deleted with its address or its link.
    expect(done.length).toBeLessThanOrEqual(2);
    expect(await kernel.ensure(operations)).toEqual([]);
  });
});
