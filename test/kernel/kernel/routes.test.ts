import { describe, expect, test } from 'vitest';
import type { Operation, Route } from '../../../src/kernel/index.js';
import { openStage, rejection } from '../../support/kernel.js';
import { json, privileged } from '../../support/namespaces.js';

interface IpRoute {
  type?: string;
  dst: string;
  gateway?: string;
  dev?: string;
  prefsrc?: string;
  table?: string;
  protocol: string;
  scope?: string;
  metric?: number;
  tos?: string;
  pref?: string;
  expires?: number;
  nhid?: number;
  flags: string[];
  metrics?: Record<string, number | string>[];
  nexthops?: { gateway?: string; dev: string; weight: number; flags: string[] }[];
}

function shown(netns: string, table: string, ...family: string[]): Promise<IpRoute[]> {
  return json<IpRoute[]>('ip', '-n', netns, '-d', '-j', ...family, 'route', 'show', 'table', table);
}

/** Two links with addresses of both families. */
function furnish(netns: string): Operation[] {
  return [5000, 5001].flatMap((index, n): Operation[] => [
    { op: 'link.add', netns, link: { kind: 'bridge', name: `br${n}`, index, up: true } },
    { op: 'address.add', netns, address: { index, address: `10.${n}.0.1/16` } },
    { op: 'address.add', netns, address: { index, address: `fd0${n}::1/64`, nodad: true } },
  ]);
}

describe.skipIf(!privileged)('routes', () => {
  test.each<[string, Route, Partial<IpRoute>]>([
    [
      'to a link',
      { destination: '192.0.2.0/24', index: 5000 },
      { dst: '192.0.2.0/24', dev: 'br0', scope: 'link', protocol: 'static' },
    ],
    ['to an address', { destination: '192.0.2.1/32', index: 5000 }, { dst: '192.0.2.1', dev: 'br0' }],
    [
      'the default',
      { destination: 'default', gateway: '10.0.0.9' },
      { dst: 'default', gateway: '10.0.0.9', dev: 'br0', scope: 'global' },
    ],
    ['0.0.0.0/0', { destination: '0.0.0.0/0', gateway: '10.0.0.9' }, { dst: 'default', gateway: '10.0.0.9' }],
    [
      'with everything',
      {
        destination: '192.0.2.0/24',
        gateway: '172.31.0.1',
        index: 5001,
        onlink: true,
        source: '10.0.0.1',
        metric: 77,
        mtu: 1300,
        protocol: 'boot',
        scope: 'global',
      },
      {
        dst: '192.0.2.0/24',
        gateway: '172.31.0.1',
        dev: 'br1',
        prefsrc: '10.0.0.1',
        metric: 77,
        metrics: [{ mtu: 1300 }],
        protocol: 'boot',
        flags: ['onlink'],
      },
    ],
    [
      'with all that connections start from',
      {
        destination: '192.0.2.0/24',
        index: 5000,
        mtu: 1300,
        window: 65000,
        advertisedMss: 1200,
        hopLimit: 9,
        initialWindow: 20,
        initialReceiveWindow: 30,
        reordering: 5,
        quickAck: true,
        congestionControl: 'reno',
      },
      {
        metrics: [
          {
            mtu: 1300,
            window: 65000,
            advmss: 1200,
            hoplimit: 9,
            initcwnd: 20,
            initrwnd: 30,
            reordering: 5,
            quickack: 1,
            congestion: 'reno',
          },
        ],
      },
    ],
    [
      'with what connections may not change',
      {
        destination: '192.0.2.0/24',
        index: 5000,
        mtu: 1300,
        rtt: 300,
        rttVariance: 100.25,
        minimumRetransmission: 250,
        slowStartThreshold: 40,
        congestionWindow: 50,
        features: 1,
        locked: ['mtu', 'rtt', 'congestionWindow'],
      },
      // ip shows feature bits as words, and times with units.
      { metrics: [expect.objectContaining({ mtu: 1300, ssthresh: 40, cwnd: 50, rto_min: 250 })] },
    ],
    ['for a type of service', { destination: '192.0.2.0/24', index: 5000, tos: 0x10 }, { tos: '0x10' }],
    ['with a protocol of a number', { destination: '192.0.2.0/24', index: 5000, protocol: 150 }, { protocol: '150' }],
    ['a blackhole', { destination: '192.0.2.0/24', type: 'blackhole' }, { type: 'blackhole', dst: '192.0.2.0/24' }],
    [
      'an unreachable one',
      { destination: '192.0.2.0/24', type: 'unreachable', metric: 5 },
      { type: 'unreachable', metric: 5 },
    ],
    ['a prohibited one', { destination: '192.0.2.0/24', type: 'prohibit' }, { type: 'prohibit' }],
    ['a thrown one', { destination: '192.0.2.0/24', type: 'throw' }, { type: 'throw' }],
    [
      'over several next hops',
      {
        destination: '192.0.2.0/24',
        nextHops: [
          { index: 5000, gateway: '10.0.0.9' },
          { index: 5001, gateway: '10.1.0.9', weight: 7 },
          { index: 5001, gateway: '172.31.0.1', weight: 256, onlink: true },
        ],
      },
      {
        nexthops: [
          { gateway: '10.0.0.9', dev: 'br0', weight: 1, flags: [] },
          { gateway: '10.1.0.9', dev: 'br1', weight: 7, flags: [] },
          { gateway: '172.31.0.1', dev: 'br1', weight: 256, flags: ['onlink'] },
        ],
      },
    ],
  ])('IPv4: %s', async (_, route, expected) => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    for (const table of [undefined, 1234]) {
      const wanted: Route = table === undefined ? route : { ...route, table };
      await kernel.transaction([
        ...(table === undefined ? furnish(netns) : []),
        { op: 'route.add', netns, route: wanted },
      ]);
      const kept = (await shown(netns, String(table ?? 'main'))).filter(({ protocol }) => protocol !== 'kernel');
      // A flag shows a link without carrier.
      const clean = (flags: string[]) => flags.filter((flag) => flag !== 'linkdown' && flag !== 'dead');
      const hops = kept[0]?.nexthops?.map((hop) => ({ ...hop, flags: clean(hop.flags) }));
      expect(kept).toHaveLength(1);
      expect({ ...kept[0], flags: clean(kept[0]?.flags ?? []), ...(hops && { nexthops: hops }) }).toMatchObject(
        expected,
      );
      const listed = (await kernel.query('route.list', { netns })).filter(
        (one) => one.table === (table ?? 254) && one.protocol !== 'kernel',
      );
      expect(listed).toHaveLength(1);
      const { destination, ...rest } = wanted;
      expect(listed[0]).toMatchObject(rest);
      expect(listed[0]?.destination).toBe(destination === '0.0.0.0/0' ? 'default' : destination);

      expect(await rejection(kernel.transaction([{ op: 'route.add', netns, route: wanted }]))).toMatchObject({
        code: 'EEXIST',
        operation: `add route to ${destination}`,
      });
      await kernel.transaction([{ op: 'route.delete', netns, route: wanted }]);
      expect((await shown(netns, String(table ?? 'main'))).filter(({ protocol }) => protocol !== 'kernel')).toEqual([]);
      expect(await rejection(kernel.transaction([{ op: 'route.delete', netns, route: wanted }]))).toMatchObject({
        code: 'ESRCH',
      });
    }
  });

  test.each<[string, Route, Partial<IpRoute>]>([
    ['to a link', { destination: '2001:db8::/64', index: 5000 }, { dst: '2001:db8::/64', dev: 'br0' }],
    ['the default by family', { destination: 'default', family: 'inet6', index: 5000 }, { dst: 'default', dev: 'br0' }],
    ['the default by gateway', { destination: 'default', gateway: 'fd00::9' }, { dst: 'default', gateway: 'fd00::9' }],
    [
      'with everything',
      { destination: '2001:db8::/64', gateway: 'fd01::9', index: 5001, source: 'fd00::1', metric: 77, mtu: 1300 },
      { gateway: 'fd01::9', dev: 'br1', prefsrc: 'fd00::1', metric: 77, metrics: [{ mtu: 1300 }] },
    ],
    ['a blackhole', { destination: '2001:db8::/64', type: 'blackhole' }, { type: 'blackhole' }],
    [
      'of a preferred router',
      { destination: 'default', gateway: 'fd00::9', preference: 'high' },
      { gateway: 'fd00::9', pref: 'high' },
    ],
  ])('IPv6: %s', async (_, route, expected) => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    await kernel.transaction([...furnish(netns), { op: 'route.add', netns, route: { ...route, table: 1234 } }]);
    const kept = await shown(netns, '1234', '-6');
    expect(kept).toHaveLength(1);
    expect(kept[0]).toMatchObject(expected);
    const [listed, ...more] = (await kernel.query('route.list', { netns })).filter(({ table }) => table === 1234);
    expect(more).toEqual([]);
    expect(listed).toMatchObject({ ...route, family: 'inet6' });
    await kernel.transaction([{ op: 'route.delete', netns, route: { ...route, table: 1234 } }]);
    expect(await shown(netns, '1234', '-6')).toEqual([]);
  });

  test('replace changes a route, append adds another, a deletion removes the matching one', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const route = (gateway: string, more: Partial<Route> = {}): Route => ({
      destination: '192.0.2.0/24',
      gateway,
      ...more,
    });
    await kernel.transaction([
      ...furnish(netns),
      { op: 'route.add', netns, route: route('10.0.0.1', { gateway: '10.0.0.9' }) },
      { op: 'route.add', netns, mode: 'replace', route: route('10.0.0.8') },
      { op: 'route.add', netns, mode: 'append', route: route('10.1.0.8') },
      { op: 'route.add', netns, route: route('10.1.0.7', { metric: 50 }) },
    ]);
    const gateways = async () =>
      (await shown(netns, 'main')).filter(({ dst }) => dst === '192.0.2.0/24').map(({ gateway }) => gateway);
    expect(await gateways()).toEqual(['10.0.0.8', '10.1.0.8', '10.1.0.7']);
    await kernel.transaction([
      { op: 'route.delete', netns, route: { destination: '192.0.2.0/24', gateway: '10.1.0.8' } },
    ]);
    expect(await gateways()).toEqual(['10.0.0.8', '10.1.0.7']);
    await kernel.transaction([{ op: 'route.delete', netns, route: { destination: '192.0.2.0/24', metric: 50 } }]);
    await kernel.transaction([{ op: 'route.delete', netns, route: { destination: '192.0.2.0/24' } }]);
    expect(await gateways()).toEqual([]);
  });

  test('routes of ip are listed as ip shows them', async () => {
    await using stage = await openStage();
    const { kernel, netns, namespace } = stage;
    await kernel.transaction(furnish(netns));
    await namespace.ip('route', 'add', '192.0.2.0/24', 'via', '10.0.0.9', 'metric', '7');
    await namespace.ip('route', 'add', '198.51.100.0/24', 'dev', 'br1', 'table', '400', 'proto', '44');
    await namespace.ip('-6', 'route', 'add', '2001:db8::/48', 'via', 'fd00::9', 'dev', 'br0');
    const names = new Map((await kernel.query('link.list', { netns })).map(({ index, name }) => [index, name]));
    const tables: Record<string, number> = { local: 255, main: 254 };
    const key = (parts: unknown[]) => parts.map((part) => part ?? '-').join(' ');
    const theirs = [...(await shown(netns, 'all', '-4')), ...(await shown(netns, 'all', '-6'))].map((r) =>
      key([
        r.type ?? 'unicast',
        r.dst,
        r.gateway,
        r.dev,
        r.prefsrc,
        tables[r.table ?? 'main'] ?? r.table,
        r.protocol,
        r.metric,
      ]),
    );
    const whole = (destination: string) => destination.replace(/(\/32|(?<=:.*)\/128)$/, '');
    const ours = (await kernel.query('route.list', { netns })).map((r) =>
      key([r.type, whole(r.destination), r.gateway, names.get(r.index ?? 0), r.source, r.table, r.protocol, r.metric]),
    );
    expect(ours.sort()).toEqual(theirs.sort());
    expect(ours.length).toBeGreaterThan(12);
  });

  test('locked metrics are those that ip shows as locked', async () => {
    await using stage = await openStage(2);
    const { kernel, namespaces } = stage;
    const metrics = [
      'mtu',
      'lock',
      '1300',
      'rtt',
      'lock',
      '300ms',
      'rttvar',
      '100ms',
      'cwnd',
      'lock',
      '50',
      'ssthresh',
      '40',
    ];
    await kernel.transaction(namespaces.flatMap(({ name }) => furnish(name)));
    await stage.other.ip(
      'route',
      'add',
      '192.0.2.0/24',
      'dev',
      'br0',
      'proto',
      'static',
      ...metrics,
      'features',
      'ecn',
    );
    const route: Route = {
      destination: '192.0.2.0/24',
      index: 5000,
      mtu: 1300,
      rtt: 300,
      rttVariance: 100,
      congestionWindow: 50,
      slowStartThreshold: 40,
      features: 1,
      locked: ['mtu', 'rtt', 'congestionWindow'],
    };
    await kernel.transaction([{ op: 'route.add', netns: stage.netns, route }]);
    const [ours, theirs] = await Promise.all(namespaces.map(({ name }) => shown(name, 'main')));
    expect(ours).toEqual(theirs);
    const listed = await kernel.query('route.list', { netns: stage.other.name });
    expect(listed.find(({ destination }) => destination === route.destination)).toMatchObject(route);
  });

  test('routes with next hop objects', async () => {
    await using stage = await openStage();
    const { kernel, netns, namespace } = stage;
    await kernel.transaction(furnish(netns));
    await namespace.ip('nexthop', 'add', 'id', '7', 'via', '10.0.0.9', 'dev', 'br0');
    const route: Route = { destination: '192.0.2.0/24', nextHopId: 7 };
    await kernel.transaction([{ op: 'route.add', netns, route }]);
    const [kept] = (await shown(netns, 'main')).filter(({ protocol }) => protocol === 'static');
    expect(kept).toMatchObject({ dst: '192.0.2.0/24', nhid: 7, gateway: '10.0.0.9', dev: 'br0' });
    const listed = (await kernel.query('route.list', { netns })).find(({ nextHopId }) => nextHopId === 7);
    expect(listed).toMatchObject({ ...route, gateway: '10.0.0.9', index: 5000 });
    await kernel.transaction([{ op: 'route.delete', netns, route }]);
    expect(
      await rejection(kernel.transaction([{ op: 'route.add', netns, route: { ...route, nextHopId: 8 } }])),
    ).toMatchObject({ code: 'EINVAL', extack: expect.stringMatching(/nexthop/i) });
  });

  test('an IPv6 route expires', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const route: Route = { destination: '2001:db8::/64', gateway: 'fd00::9', expires: 3000 };
    await kernel.transaction([...furnish(netns), { op: 'route.add', netns, route }]);
    const [kept] = (await shown(netns, 'main', '-6')).filter(({ dst }) => dst === route.destination);
    const listed = (await kernel.query('route.list', { netns })).find((one) => one.destination === route.destination);
    for (const expires of [kept?.expires, listed?.expires]) {
      expect(expires).toBeGreaterThan(2000);
      expect(expires).toBeLessThanOrEqual(3000);
    }
  });

  test('an error has the message of the kernel', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    await kernel.transaction(furnish(netns));
    const route: Route = { destination: '192.0.2.0/24', gateway: '203.0.113.1' };
    expect(await rejection(kernel.transaction([{ op: 'route.add', netns, route }]))).toMatchObject({
      name: 'KernelError',
      code: 'ENETUNREACH',
      operation: 'add route to 192.0.2.0/24',
      namespace: netns,
      extack: 'Nexthop has invalid gateway',
      index: 0,
    });
    const hostBits: Route = { destination: '192.0.2.1/24', index: 5000 };
    expect(await rejection(kernel.transaction([{ op: 'route.add', netns, route: hostBits }]))).toMatchObject({
      code: 'EINVAL',
      extack: expect.stringMatching(/prefix/i),
    });
  });

  test.each<[string, unknown, string]>([
    ['no destination', { index: 5 }, 'destination'],
    ['a destination that is no address', { destination: 'everywhere', index: 5 }, 'destination'],
    [
      'an IPv6 gateway, of which the kernel would take the first four bytes',
      { destination: '10.0.0.0/8', gateway: 'fd00::1' },
      'gateway',
    ],
    ['a source of the other family', { destination: 'fd00::/8', index: 5, source: '10.0.0.1' }, 'source'],
    [
      'a next hop of the other family',
      { destination: '10.0.0.0/8', nextHops: [{ index: 5, gateway: '::1' }] },
      'nextHops[0].gateway',
    ],
    [
      'a weight of 0',
      { destination: '10.0.0.0/8', nextHops: [{ index: 5 }, { index: 5, weight: 0 }] },
      'nextHops[1].weight',
    ],
    ['no next hops', { destination: '10.0.0.0/8', nextHops: [] }, 'nextHops'],
    [
      'an unknown property of a next hop',
      { destination: '10.0.0.0/8', nextHops: [{ index: 5, colour: 1 }] },
      'nextHops[0].colour',
    ],
    ['a table of 0', { destination: '10.0.0.0/8', index: 5, table: 0 }, 'table'],
    ['an unknown type', { destination: '10.0.0.0/8', index: 5, type: 'scenic' }, 'type'],
    ['a hop limit of 0', { destination: '10.0.0.0/8', index: 5, hopLimit: 0 }, 'hopLimit'],
    ['an unknown metric that is locked', { destination: '10.0.0.0/8', index: 5, locked: ['mtu', 'hue'] }, 'locked[1]'],
    ['a round trip below 0', { destination: '10.0.0.0/8', index: 5, rtt: -1 }, 'rtt'],
    ['a type of service beyond a byte', { destination: '10.0.0.0/8', index: 5, tos: 256 }, 'tos'],
    ['an unknown preference', { destination: 'fd00::/8', index: 5, preference: 'some' }, 'preference'],
    ['an MTU below 0', { destination: '10.0.0.0/8', index: 5, mtu: -1 }, 'mtu'],
    ['an unknown property', { destination: '10.0.0.0/8', index: 5, colour: 1 }, 'colour'],
    ['an unknown mode', { destination: '10.0.0.0/8', index: 5 }, ''],
  ])('invalid arguments are rejected before anything is sent: %s', async (what, route, field) => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const mode = what === 'an unknown mode' ? { mode: 'guess' } : {};
    const operations = [...furnish(netns), { op: 'route.add', netns, route, ...mode } as unknown as Operation];
    const path = field === '' ? 'mode' : `route.${field}`;
    expect(await rejection(kernel.transaction(operations))).toMatchObject({
      name: 'ValidationError',
      field: `operations[${operations.length - 1}].${path}`,
    });
    expect(await kernel.query('link.list', { netns })).toHaveLength(1);
  });
});
