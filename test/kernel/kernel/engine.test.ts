import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { type Operation, openKernel } from '../../../src/kernel/index.js';
import { ipLinks, openStage, rejection } from '../../support/kernel.js';
import { eventually, json, privileged, TestNamespace, uniqueName } from '../../support/namespaces.js';

interface Task {
  name: string;
  namespace: string;
}

/** The network namespace of every thread of this process. */
async function tasks(): Promise<Task[]> {
  const ids = await readdir('/proc/self/task');
  const read = ids.map(async (id): Promise<Task[]> => {
    try {
      const folder = `/proc/self/task/${id}`;
      return [
        { name: (await readFile(`${folder}/comm`, 'utf8')).trim(), namespace: await readlink(`${folder}/ns/net`) },
      ];
    } catch {
      return []; // ended meanwhile
    }
  });
  return (await Promise.all(read)).flat();
}

async function expectAllHome(what: string): Promise<void> {
  const own = await readlink('/proc/self/ns/net');
  expect(
    (await tasks()).filter(({ namespace }) => namespace !== own),
    what,
  ).toEqual([]);
}

async function openFiles(): Promise<number> {
  return (await readdir('/proc/self/fd')).length;
}

describe.skipIf(!privileged)('the engine', () => {
  test('operations of one namespace are in order over 500 concurrent transactions', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const address = (n: number) => `10.0.${n >> 8}.${n & 255}/32`;
    await kernel.transaction([
      { op: 'link.add', netns, link: { kind: 'bridge', name: 'br', index: 5000 } },
      { op: 'address.add', netns, address: { index: 5000, address: address(0) } },
    ]);
    // Each deletes what the previous one has added, so the order is checked.
    const all = Array.from({ length: 500 }, (_, n) =>
      kernel.transaction([
        { op: 'address.delete', netns, address: { index: 5000, address: address(n) } },
        { op: 'address.add', netns, address: { index: 5000, address: address(n + 1) } },
      ]),
    );
    expect((await Promise.allSettled(all)).filter(({ status }) => status === 'rejected')).toEqual([]);
    const [link] = await json<{ addr_info: { local: string }[] }[]>(
      'ip',
      '-n',
      netns,
      '-j',
      'addr',
      'show',
      'dev',
      'br',
    );
    expect(link?.addr_info.map(({ local }) => local)).toEqual(['10.0.1.244']);
  });

  test('a failure affects only its own transaction of several that are sent together', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const all = Array.from({ length: 300 }, (_, n): Operation[] => [
      { op: 'link.add', netns, link: { kind: 'bridge', name: `br${n}`, index: 5000 + n } },
      {
        op: 'address.add',
        netns,
        address: { index: n % 3 === 0 ? 4999 : 5000 + n, address: `10.1.${n >> 8}.${n & 255}/32` },
      },
    ]).map((operations) => rejection(kernel.transaction(operations)));
    const errors = await Promise.all(all);
    for (const [n, error] of errors.entries()) {
      if (n % 3 === 0) expect(error).toMatchObject({ code: 'ENODEV', index: 1, rollbackErrors: [] });
      else expect(error).toBeUndefined();
    }
    const names = (await ipLinks(stage.namespace)).map(({ ifname }) => ifname);
    const expected = errors.flatMap((error, n) => (error === undefined ? [`br${n}`] : []));
    expect(names.sort()).toEqual(['lo', ...expected].sort());
  });

  test('every thread returns to its own namespace after every kind of call', async () => {
    await using stage = await openStage(2);
    const { kernel, netns, other } = stage;
    const made = `${netns}-made`;
    /** What each is, does, and fails with: a call that fails before it is under way shows nothing. */
    const calls: [string, () => Promise<unknown>, code?: string][] = [
      ['namespace.add', () => kernel.transaction([{ op: 'namespace.add', name: made }])],
      ['tap.add', () => kernel.transaction([{ op: 'tap.add', netns, tap: { name: 'tap0', index: 60 } }])],
      ['a tap that exists', () => kernel.transaction([{ op: 'tap.add', netns, tap: { name: 'tap0' } }]), 'EBUSY'],
      [
        'link.add',
        () =>
          kernel.transaction([
            { op: 'link.add', netns, link: { kind: 'veth', name: 'a', data: { peer: { name: 'b', netns: made } } } },
          ]),
      ],
      ['link.list', () => kernel.query('link.list', { netns: made })],
      ['sysctl.set', () => kernel.transaction([{ op: 'sysctl.set', netns, key: 'ipv4/ip_forward', value: 1 }])],
      ['sysctl.get', () => kernel.query('sysctl.get', { netns, key: 'ipv4/ip_forward' })],
      ['a missing sysctl', () => kernel.query('sysctl.get', { netns, key: 'no/such' }), 'ENOENT'],
      ['run', () => kernel.run('/bin/true', [], { netns: made })],
      ['a missing program', () => kernel.run('/no/such/program', [], { netns: made }), 'ENOENT'],
      ['ping', () => kernel.ping('127.0.0.1', { netns })],
      ['ping without a route', () => kernel.ping('192.0.2.1', { netns: made, timeout: 10 }), 'ENETUNREACH'],
      [
        'datagram',
        () => kernel.sendDatagram({ netns, destination: '127.0.0.1', port: 9, payload: new Uint8Array([1]) }),
      ],
      ['a missing namespace', () => kernel.query('link.list', { netns: 'vwt-no-such-namespace' }), 'ENOENT'],
      ['no namespace at all', () => kernel.query('link.list', { netns: '/etc/passwd' }), 'EINVAL'],
      [
        'roll-back',
        () =>
          kernel.transaction([
            { op: 'tap.add', netns: other.name, tap: { name: 'gone' } },
            { op: 'link.delete', netns, link: { name: 'none' } },
          ]),
        'ENODEV',
      ],
      ['namespace.delete', () => kernel.teardown([{ op: 'namespace.delete', name: made }])],
    ];
    for (const [what, call, code] of calls) {
      const error = (await rejection(call())) as { code?: string } | undefined;
      expect(error?.code, what).toBe(code);
      await expectAllHome(what);
    }
  });

  test('only threads of the engine enter other namespaces, and all return after many failures', async () => {
    await using stage = await openStage(4);
    const { kernel, namespaces } = stage;
    const own = await readlink('/proc/self/ns/net');
    const others: Task[] = [];
    let seenElsewhere = 0;
    const storm = Array.from({ length: 200 }, (_, n) => {
      const netns = namespaces[n % 4]?.name as string;
      const next = namespaces[(n + 1) % 4]?.name as string;
      return rejection(
        kernel.transaction([
          { op: 'tap.add', netns, tap: { name: `tap${n}` } },
          {
            op: 'link.add',
            netns,
            link: { kind: 'veth', name: `v${n}`, data: { peer: { name: `p${n}`, netns: next } } },
          },
          { op: 'sysctl.set', netns: next, key: `ipv4/conf/p${n}/arp_ignore`, value: 1 },
          { op: 'sysctl.set', netns: next, key: n % 5 === 0 ? 'no/such' : 'ipv4/ip_forward', value: 1 },
          { op: 'link.delete', netns, link: { name: `tap${n}` } },
        ]),
      );
    });
    const outcome = Promise.all(storm);
    let over = false;
    const sampler = (async () => {
      while (!over) {
        const elsewhere = (await tasks()).filter(({ namespace }) => namespace !== own);
        seenElsewhere += elsewhere.length;
        others.push(...elsewhere.filter(({ name }) => name !== 'vethwork'));
      }
    })();
    const errors = await outcome;
    over = true;
    await sampler;
    expect(others).toEqual([]);
    expect(seenElsewhere).toBeGreaterThan(0);
    expect(errors.filter((error) => error !== undefined)).toHaveLength(40);
    expect(errors.every((error, n) => (error === undefined) === (n % 5 !== 0))).toBe(true);
    await expectAllHome('the storm');
  });

  test('the number of file descriptors does not grow with namespaces, watches and processes', async () => {
    const kernel = openKernel();
    const prefix = uniqueName('fds');
    const names = Array.from({ length: 150 }, (_, n) => `${prefix}-${n}`);
    const make = (some: readonly string[]) =>
      Promise.all(
        some.map((netns) =>
          kernel.transaction([
            { op: 'namespace.add', name: netns },
            { op: 'link.add', netns, link: { kind: 'bridge', name: 'br', index: 50, up: true } },
            { op: 'sysctl.set', netns, key: 'ipv4/ip_forward', value: 1 },
            { op: 'address.add', netns, address: { index: 50, address: '10.0.0.1/24' } },
          ]),
        ),
      );
    try {
      await make(names.slice(0, 20));
      const before = await openFiles();
      await make(names.slice(20));
      // Many dumps, which are not batched: every namespace has some waiting while others are served.
      const all = Promise.all([...names, ...names, ...names].map((netns) => kernel.snapshot(netns)));
      let peak = 0;
      let over = false;
      const sampler = (async () => {
        while (!over) peak = Math.max(peak, await openFiles());
      })();
      expect((await all).every(({ links }) => links.length === 2)).toBe(true);
      over = true;
      await sampler;
      expect(peak).toBeGreaterThan(before);
      // Of 64 namespaces that wait, 32 that are idle and the 8 being served: the namespace, and a socket of either protocol.
      expect(peak - before).toBeLessThanOrEqual(3 * (64 + 32 + 8));
      // A descriptor more may be one of Node's own. Idle sockets are closed after a short time.
      await eventually(async () => (await openFiles()) <= before + 3);
    } finally {
      await kernel.teardown(names.map((name) => ({ op: 'namespace.delete', name })));
      await kernel.close();
    }
    expect((await json<{ name: string }[]>('ip', '-j', 'netns')).filter(({ name }) => name.startsWith(prefix))).toEqual(
      [],
    );
  });

  test('JavaScript runs while the kernel works', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const indexes = Array.from({ length: 10 }, (_, n) => 5000 + n);
    await kernel.transaction(
      indexes.map(
        (index): Operation => ({
          op: 'link.add',
          netns,
          link: { kind: 'veth', name: `a${index}`, index, data: { peer: { name: `b${index}` } } },
        }),
      ),
    );
    // One by one: each waits for the kernel's RCU barrier.
    let over = false;
    const deletions = (async () => {
      for (const index of indexes) await kernel.teardown([{ op: 'link.delete', netns, link: { index } }]);
      over = true;
    })();
    let turns = 0;
    while (!over) {
      await turn();
      ++turns;
    }
    await deletions;
    expect(turns).toBeGreaterThan(10 * indexes.length);
  });

  test('waiting programs block nothing else, however many', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const gate = join(await mkdtemp(join(tmpdir(), 'vethwork-gate-')), 'open');
    const wait = `until [ -e ${gate} ]; do sleep 0.05; done`;
    let ended = 0;
    const programs = Array.from({ length: 50 }, async () => {
      await kernel.run('/bin/sh', ['-c', wait], { netns, timeout: 120_000 });
      ended++;
    });
    try {
      for (let n = 0; n < 20; n++) {
        await kernel.transaction([{ op: 'link.add', netns, link: { kind: 'bridge', name: `br${n}` } }]);
      }
      expect(ended).toBe(0);
    } finally {
      await writeFile(gate, '');
      await Promise.all(programs);
      await rm(dirname(gate), { recursive: true });
    }
    expect(ended).toBe(50);
  });

  test('finished waits leave no descriptor in a namespace that is kept open', async () => {
    await using namespace = await TestNamespace.create('waited');
    const netns = namespace.name;
    const kernel = openKernel({ home: netns });
    await kernel.run('/bin/true', [], { netns });
    const before = await openFiles();
    for (let n = 0; n < 20; n++) await kernel.run('/bin/true', [], { netns });
    expect(await openFiles()).toBe(before);
    await kernel.close();
  });

  test('a closed kernel rejects new calls, and completes earlier ones', async () => {
    await using namespace = await TestNamespace.create('closed');
    const netns = namespace.name;
    const kernel = openKernel({ home: netns });
    const last = kernel.transaction([{ op: 'link.add', netns, link: { kind: 'bridge', name: 'last' } }]);
    await kernel.close();
    expect((await ipLinks(namespace)).map(({ ifname }) => ifname)).toContain('last');
    await last;
    await expect(kernel.query('link.list', { netns })).rejects.toMatchObject({ code: 'ERR_VETHWORK_CONFLICT' });
    await expect(kernel.transaction([])).rejects.toMatchObject({ code: 'ERR_VETHWORK_CONFLICT' });
  });
});
