import { describe, expect, test } from 'vitest';
import { KernelError } from '../../../src/errors.js';
import type { FilterSpec, MirredAction, Operation, TbfOptions, U32Options } from '../../../src/kernel/index.js';
import { openStage } from '../../support/kernel.js';
import { attempt, json, privileged, sh, type TestNamespace } from '../../support/namespaces.js';

const index = 5000;

/** What `tc -j qdisc` shows, as far as the tests look at it. */
interface TcQdisc {
  kind: string;
  handle: string;
  root?: boolean;
  parent?: string;
  options: Record<string, unknown>;
  bytes: number;
  packets: number;
  drops: number;
  overlimits: number;
  backlog: number;
  qlen: number;
}

function tc(namespace: TestNamespace, ...args: string[]): Promise<string> {
  return sh('tc', '-n', namespace.name, ...args);
}

function tcQdiscs(namespace: TestNamespace, device: string): Promise<TcQdisc[]> {
  return json<TcQdisc[]>('tc', '-n', namespace.name, '-s', '-d', '-j', 'qdisc', 'show', 'dev', device);
}

async function withVeth(...namespaces: TestNamespace[]): Promise<void> {
  for (const namespace of namespaces) {
    const pair = ['name', 'one', 'index', `${index}`, 'type', 'veth', 'peer', 'name', 'two', 'index', '5001'];
    await namespace.ip('link', 'add', ...pair);
  }
}

describe.skipIf(!privileged)('traffic control', () => {
  test.each<[string, TbfOptions, string[]]>([
    [
      'by latency',
      { rate: 1_000_000, burst: 32_768, latency: 0.05 },
      ['rate', '8mbit', 'burst', '32kb', 'latency', '50ms'],
    ],
    ['by limit', { rate: 125, burst: 1600, limit: 3000 }, ['rate', '1kbit', 'burst', '1600', 'limit', '3000']],
    [
      'beyond 32 bits',
      { rate: 5_000_000_000, burst: 1_000_000, limit: 9_000_000 },
      ['rate', '40gbit', 'burst', '1000000', 'limit', '9000000'],
    ],
    [
      'with a peak rate',
      { rate: 1_000_000, burst: 32_768, limit: 100_000, peakRate: 2_000_000, mtu: 1600 },
      ['rate', '8mbit', 'burst', '32kb', 'limit', '100000', 'peakrate', '16mbit', 'mtu', '1600'],
    ],
    [
      'with a peak rate beyond 32 bits',
      { rate: 4_500_000_000, burst: 1_000_000, limit: 9_000_000, peakRate: 5_000_000_000, mtu: 65_536 },
      ['rate', '36gbit', 'burst', '1000000', 'limit', '9000000', 'peakrate', '40gbit', 'mtu', '65536'],
    ],
  ])('a rate limit %s equals the one of tc', async (_, data, words) => {
    await using stage = await openStage(2);
    const [ours, theirs] = stage.namespaces as [TestNamespace, TestNamespace];
    await withVeth(ours, theirs);
    await tc(theirs, 'qdisc', 'add', 'dev', 'one', 'root', 'handle', '1:', 'tbf', ...words);
    const qdisc = { index, kind: 'tbf', handle: '1:', data } as const;
    await stage.kernel.transaction([{ op: 'qdisc.add', netns: ours.name, qdisc }]);
    expect(await tcQdiscs(ours, 'one')).toEqual(await tcQdiscs(theirs, 'one'));

    const { latency: _latency, burst, mtu, ...told } = data;
    const listed = await stage.kernel.query('qdisc.list', { netns: ours.name });
    const found = listed.find((each) => each.index === index);
    expect(found).toMatchObject({ kind: 'tbf', handle: '1:', parent: 'root', data: told });
    // The kernel stores these as durations in ticks of 64 ns.
    expect(Math.abs((found?.data?.burst ?? 0) - burst)).toBeLessThanOrEqual(data.rate * 64e-9 + 1);
    expect(Math.abs((found?.data?.mtu ?? 0) - (mtu ?? 0))).toBeLessThanOrEqual((data.peakRate ?? 0) * 64e-9 + 1);
  });

  test('a rate limit is replaced, counted and deleted', async () => {
    await using stage = await openStage(2);
    const { kernel, netns, namespace } = stage;
    const far = stage.namespaces[1] as TestNamespace;
    await withVeth(namespace);
    await namespace.ip('link', 'set', 'two', 'netns', far.name);
    for (const [where, device, address] of [
      [namespace, 'one', '10.7.0.1/24'],
      [far, 'two', '10.7.0.2/24'],
    ] as const) {
      await where.ip('addr', 'add', address, 'dev', device);
      await where.ip('link', 'set', device, 'up');
    }
    const limited = (rate: number): Operation => ({
      op: 'qdisc.add',
      netns,
      qdisc: { index, kind: 'tbf', data: { rate, burst: 2000, limit: 3000 } },
      mode: 'replace',
    });
    await kernel.transaction([limited(1_000_000)]);
    await kernel.transaction([limited(2000)]);
    // Many more bytes than the bucket and the queue can hold.
    await namespace.attempt('ping', '-f', '-c', '50', '-s', '1000', '-w', '5', '10.7.0.2');
    const [shown] = await tcQdiscs(namespace, 'one');
    expect(shown).toMatchObject({ kind: 'tbf', options: { rate: 2000 } });
    expect(shown?.drops).toBeGreaterThan(0);
    const found = (await kernel.query('qdisc.list', { netns })).find((each) => each.index === index);
    expect(found?.statistics?.drops).toBeGreaterThanOrEqual(shown?.drops ?? 0);
    expect(found?.statistics?.bytes).toBeGreaterThan(0);
    expect(found?.statistics?.packets).toBeGreaterThan(0);
    expect(found?.statistics?.overlimits).toBeGreaterThan(0);

    await kernel.transaction([{ op: 'qdisc.delete', netns, qdisc: { index } }]);
    expect((await tcQdiscs(namespace, 'one')).map(({ kind }) => kind)).not.toContain('tbf');
    const again = kernel.transaction([{ op: 'qdisc.delete', netns, qdisc: { index } }]);
    await expect(again).rejects.toThrow(/delete root qdisc of link 5000/);
  });

  test('received traffic is limited by redirection to an ifb link', async () => {
    await using stage = await openStage(2);
    const { kernel, netns, namespace } = stage;
    const far = stage.namespaces[1] as TestNamespace;
    await withVeth(namespace);
    await namespace.ip('link', 'set', 'two', 'netns', far.name);
    const action = { kind: 'mirred', index: 5002 } as const;
    const data = { matches: [{ offset: 12, mask: 0xffffffff, value: 0x0a070002 }], actions: [action] };
    const filter: FilterSpec = { index, kind: 'u32', priority: 3, protocol: 'ip', data };
    await kernel.transaction([
      { op: 'link.add', netns, link: { kind: 'ifb', name: 'in', index: 5002, up: true } },
      {
        op: 'qdisc.add',
        netns,
        qdisc: { index: 5002, kind: 'tbf', data: { rate: 1_000_000, burst: 9000, latency: 1 } },
      },
      { op: 'qdisc.add', netns, qdisc: { index, kind: 'ingress' } },
      { op: 'filter.add', netns, filter },
      { op: 'address.add', netns, address: { index, address: '10.7.0.1/24' } },
      { op: 'link.set', netns, link: { index }, changes: { up: true } },
    ]);
    await far.ip('addr', 'add', '10.7.0.2/24', 'dev', 'two');
    await far.ip('link', 'set', 'two', 'up');
    await far.run('ping', '-c', '3', '-i', '0.2', '-s', '1000', '10.7.0.1');

    const [limit] = await tcQdiscs(namespace, 'in');
    // The ifb link may have sent packets of its own.
    expect(limit?.packets).toBeGreaterThanOrEqual(3);
    expect(limit?.bytes).toBeGreaterThan(3000);
    const shown = await json<object[]>('tc', '-n', netns, '-s', '-j', 'filter', 'show', 'dev', 'one', 'ingress');
    expect(JSON.stringify(shown)).toContain('"to_dev":"in"');
    const [found, ...others] = await kernel.query('filter.list', { netns, index });
    expect(others).toEqual([]);
    expect(found).toMatchObject({ index, kind: 'u32', parent: 'ingress', priority: 3, protocol: 'ip', data });
    expect(found?.data?.actions?.[0]?.statistics?.packets).toBeGreaterThanOrEqual(3);
    expect((await tcQdiscs(namespace, 'one')).map(({ kind }) => kind)).toContain('ingress');

    // Without the filter, packets are received directly.
    await kernel.transaction([{ op: 'filter.delete', netns, filter: { index, priority: 3, protocol: 'ip' } }]);
    expect(await kernel.query('filter.list', { netns, index })).toEqual([]);
    const before = (await tcQdiscs(namespace, 'in'))[0]?.bytes ?? 0;
    await far.run('ping', '-c', '1', '-s', '1000', '10.7.0.1');
    expect(((await tcQdiscs(namespace, 'in'))[0]?.bytes ?? 0) - before).toBeLessThan(1000);
    await kernel.transaction([{ op: 'qdisc.delete', netns, qdisc: { index, kind: 'ingress' } }]);
    expect((await tcQdiscs(namespace, 'one')).map(({ kind }) => kind)).not.toContain('ingress');
  });

  test('a police action equals the one of tc, or both are rejected', async () => {
    await using stage = await openStage(2);
    const { kernel } = stage;
    const [ours, theirs] = stage.namespaces as [TestNamespace, TestNamespace];
    await withVeth(ours, theirs);
    const place = ['dev', 'one', 'ingress', 'prio', '3', 'protocol', 'all'];
    const police = ['action', 'police', 'rate', '8mbit', 'burst', '32kb', 'drop'];
    await tc(theirs, 'qdisc', 'add', 'dev', 'one', 'ingress');
    const made = await attempt('tc', '-n', theirs.name, 'filter', 'add', ...place, 'matchall', ...police);
    const actions = [{ kind: 'police', rate: 1_000_000, burst: 32_768 } as const];
    const adding = kernel.transaction([
      { op: 'qdisc.add', netns: ours.name, qdisc: { index, kind: 'ingress' } },
      { op: 'filter.add', netns: ours.name, filter: { index, kind: 'matchall', priority: 3, data: { actions } } },
    ]);
    if (made.exitCode !== 0) {
      // The kernel does not support it.
      expect(made.stderr).toMatch(/TC classifier not found|No such file|not supported/);
      const error = await adding.catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(KernelError);
      expect(error).toMatchObject({
        code: 'ENOENT',
        operation: 'add matchall filter 3 to link 5000',
        rollbackErrors: [],
      });
      expect((await tcQdiscs(ours, 'one')).map(({ kind }) => kind)).not.toContain('ingress');
      return;
    }
    await adding;
    const show = (namespace: TestNamespace) =>
      json('tc', '-n', namespace.name, '-j', 'filter', 'show', 'dev', 'one', 'ingress');
    expect(await show(ours)).toEqual(await show(theirs));
    expect(await kernel.query('filter.list', { netns: ours.name, index })).toMatchObject([
      { kind: 'matchall', data: { actions } },
    ]);
  });

  test('existing objects are not created again', async () => {
    await using stage = await openStage();
    const { kernel, netns, namespace } = stage;
    await withVeth(namespace);
    const limited = (rate: number): Operation[] => [
      { op: 'qdisc.add', netns, qdisc: { index, kind: 'tbf', data: { rate, burst: 20_000, latency: 0.05 } } },
      { op: 'qdisc.add', netns, qdisc: { index, kind: 'ingress' } },
      {
        op: 'filter.add',
        netns,
        filter: { index, kind: 'u32', priority: 1, data: { actions: [{ kind: 'mirred', index: 5001 }] } },
      },
    ];
    expect(await kernel.ensure(limited(3000))).toHaveLength(3);
    const before = await tcQdiscs(namespace, 'one');
    expect(await kernel.ensure(limited(3000))).toEqual([]);
    expect((await kernel.ensure(limited(4000))).map(({ op }) => op)).toEqual(['qdisc.add']);
    const after = await tcQdiscs(namespace, 'one');
    expect(after.map(({ kind }) => kind)).toEqual(before.map(({ kind }) => kind));
    expect(after[0]).toMatchObject({ kind: 'tbf', options: { rate: 4000 } });
  });

  test('a filter with other actions is replaced, and no other filter', async () => {
    await using stage = await openStage();
    const { kernel, netns, namespace } = stage;
    await withVeth(namespace);
    const sent = (mode: MirredAction['mode'], priority = 1, matches?: U32Options['matches']): Operation[] => {
      const data = {
        ...(matches && { matches }),
        actions: [{ kind: 'mirred', index: 5001, ...(mode && { mode }) } as const],
      };
      return [
        { op: 'qdisc.add', netns, qdisc: { index, kind: 'ingress' } },
        { op: 'filter.add', netns, filter: { index, kind: 'u32', priority, data } },
      ];
    };
    const fromOne = [{ offset: 12, mask: 0xffff_ffff, value: 0x0a00_0001 }];
    const ensured = async (operations: Operation[]) => (await kernel.ensure(operations)).map(({ op }) => op);
    expect(await ensured(sent('redirect egress'))).toEqual(['qdisc.add', 'filter.add']);
    expect(await ensured(sent(undefined))).toEqual([]);
    expect(await ensured(sent('mirror egress', 1, fromOne))).toEqual(['filter.add']);
    expect(await ensured(sent('mirror egress'))).toEqual(['filter.delete', 'filter.add']);
    expect(await ensured(sent('mirror egress'))).toEqual([]);
    expect(await ensured(sent('mirror egress', 1, fromOne))).toEqual([]);
    expect(await ensured(sent('redirect egress', 2))).toEqual(['filter.add']);
    const shown = await tc(namespace, 'filter', 'show', 'dev', 'one', 'ingress');
    const ways = [...shown.matchAll(/mirred \(Egress (\w+) to device two\)/g)].map(([, way]) => way);
    expect(ways.sort()).toEqual(['Mirror', 'Mirror', 'Redirect']);
  });

  test('a failed transaction is undone', async () => {
    await using stage = await openStage();
    const { kernel, netns, namespace } = stage;
    await withVeth(namespace);
    const before = await tcQdiscs(namespace, 'one');
    const failing = kernel.transaction([
      { op: 'qdisc.add', netns, qdisc: { index, kind: 'ingress' } },
      { op: 'qdisc.add', netns, qdisc: { index, kind: 'tbf', data: { rate: 1000, burst: 2000, limit: 2000 } } },
      { op: 'qdisc.add', netns, qdisc: { index: 5999, kind: 'ingress' } },
    ]);
    await expect(failing).rejects.toMatchObject({ code: 'ENODEV', index: 2, rollbackErrors: [] });
    expect(await tcQdiscs(namespace, 'one')).toEqual(before);
  });
});
