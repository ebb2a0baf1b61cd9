import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KernelError, ValidationError } from '../../../src/errors.js';
import type { KernelEvent, KernelWatch, Qdisc, WatchTopic } from '../../../src/kernel/index.js';
import { compile } from '../../support/compile.js';
import { openStage } from '../../support/kernel.js';
import { eventually, json, privileged, sh } from '../../support/namespaces.js';

/** Reads until an event fits; gives all that were read. */
async function until(watch: KernelWatch, fits: (event: KernelEvent) => boolean): Promise<KernelEvent[]> {
  const events: KernelEvent[] = [];
  for (;;) {
    const { value, done } = await watch.next();
    if (done) throw new Error(`the watch ended; it told of ${JSON.stringify(events)}`);
    events.push(value);
    if (fits(value)) return events;
  }
}

const named = (name: string) => (event: KernelEvent) => 'link' in event && event.link.name === name;

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

async function descriptors(): Promise<number> {
  return (await readdir('/proc/self/fd')).length;
}

async function threads(): Promise<number> {
  return (await readdir('/proc/self/task')).length;
}

describe.skipIf(!privileged)('watch', () => {
  test('links are reported when created, changed or deleted, in order and as they are listed', async () => {
    await using stage = await openStage();
    await using watch = stage.kernel.watch(stage.netns, { topics: ['link'] });
    await watch.ready;
    await stage.namespace.ip('link', 'add', 'one', 'index', '5000', 'type', 'bridge');
    const listed = (await stage.kernel.query('link.list', { netns: stage.netns })).find(({ name }) => name === 'one');
    await stage.namespace.ip('link', 'set', 'one', 'mtu', '1400');
    await stage.namespace.ip('link', 'delete', 'one');

    const events = await until(watch, ({ event }) => event === 'link.deleted');
    expect(events.every(named('one'))).toBe(true);
    const links = events.map((event) => ('link' in event ? event.link : undefined));
    expect(links[0]).toMatchObject({ index: 5000, kind: 'bridge', mtu: 1500, data: listed?.data });
    const mtus = links.map((link) => link?.mtu);
    expect(mtus).toEqual([...mtus].sort((one, other) => Number(other) - Number(one)));
    expect(links.at(-1)).toMatchObject({ index: 5000, mtu: 1400 });
    expect(events.filter(({ event }) => event === 'link.deleted')).toHaveLength(1);
  });

  test('settings of all links and of one are reported, for both families', async () => {
    await using stage = await openStage();
    const { kernel, netns, namespace } = stage;
    await namespace.ip('link', 'add', 'one', 'index', '5000', 'type', 'bridge');
    await using watch = kernel.watch(netns, { topics: ['setting'], snapshot: true });
    await watch.ready;
    await namespace.run('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv4.conf.one.rp_filter=2');
    await namespace.run('sysctl', '-qw', 'net.ipv6.conf.default.forwarding=1');
    const events = await until(watch, (event) => 'family' in event && event.family === 'inet6');
    expect(events[0]).toEqual({ event: 'snapshot', snapshot: {} });
    expect(events).toContainEqual({ event: 'setting.changed', family: 'inet', scope: 'all', forwarding: true });
    expect(events).toContainEqual({ event: 'setting.changed', family: 'inet', index: 5000, rpFilter: 2 });
    expect(events.at(-1)).toMatchObject({
      event: 'setting.changed',
      family: 'inet6',
      scope: 'default',
      forwarding: true,
    });
  });

  test('a port that leaves its bridge is not reported as deleted', async () => {
    await using stage = await openStage();
    const { namespace } = stage;
    await namespace.ip('link', 'add', 'name', 'br', 'index', '5000', 'type', 'bridge');
    await namespace.ip('link', 'add', 'one', 'index', '5001', 'type', 'veth', 'peer', 'name', 'b');
    await using watch = stage.kernel.watch(stage.netns, { topics: ['link'] });
    await watch.ready;
    await namespace.ip('link', 'set', 'one', 'master', 'br');
    await namespace.ip('link', 'set', 'one', 'type', 'bridge_slave', 'isolated', 'on');
    await namespace.ip('link', 'set', 'one', 'nomaster');
    const events = await until(watch, ({ event }) => event === 'port.deleted');
    expect(events).toContainEqual(
      expect.objectContaining({
        event: 'port.changed',
        index: 5001,
        master: 5000,
        port: expect.objectContaining({ isolated: true }),
      }),
    );
    expect(events.at(-1)).toMatchObject({ event: 'port.deleted', index: 5001, master: 5000 });
    expect(events.map(({ event }) => event)).not.toContain('link.deleted');
  });

  test('addresses, routes, neighbours, forwarding entries and rules of both families are reported', async () => {
    await using stage = await openStage();
    const { kernel, namespace, netns } = stage;
    await namespace.ip('link', 'add', 'name', 'br', 'index', '5000', 'type', 'bridge');
    await namespace.ip('link', 'set', 'dev', 'br', 'up', 'addrgenmode', 'none');
    const topics: WatchTopic[] = ['address', 'route', 'neighbour', 'rule'];
    await using watch = kernel.watch(netns, { topics });
    await watch.ready;
    const mac = '02:00:00:00:00:01';
    const actions: [KernelEvent['event'], object, string[]][] = [
      [
        'address.changed',
        { address: { index: 5000, address: '10.1.0.1/24' } },
        ['addr', 'add', '10.1.0.1/24', 'dev', 'br'],
      ],
      ['address.changed', { address: { address: 'fd01::1/64' } }, ['addr', 'add', 'fd01::1/64', 'dev', 'br', 'nodad']],
      [
        'route.changed',
        { route: { destination: '10.2.0.0/16', gateway: '10.1.0.9', index: 5000 } },
        ['route', 'add', '10.2.0.0/16', 'via', '10.1.0.9'],
      ],
      [
        'route.changed',
        { route: { destination: 'fd02::/64', family: 'inet6' } },
        ['route', 'add', 'fd02::/64', 'dev', 'br'],
      ],
      [
        'neighbour.changed',
        { neighbour: { family: 'inet', destination: '10.1.0.7', address: mac, state: 'permanent' } },
        ['neigh', 'add', '10.1.0.7', 'lladdr', mac, 'dev', 'br'],
      ],
      [
        'rule.changed',
        { rule: { family: 'inet', priority: 77, mark: 9, table: 100 } },
        ['rule', 'add', 'priority', '77', 'fwmark', '9', 'table', '100'],
      ],
      [
        'rule.changed',
        { rule: { family: 'inet6', priority: 78 } },
        ['-6', 'rule', 'add', 'priority', '78', 'table', '100'],
      ],
      ['rule.deleted', { rule: { priority: 77, mark: 9 } }, ['rule', 'delete', 'priority', '77']],
      ['neighbour.deleted', { neighbour: { destination: '10.1.0.7' } }, ['neigh', 'delete', '10.1.0.7', 'dev', 'br']],
      ['route.deleted', { route: { destination: 'fd02::/64' } }, ['route', 'delete', 'fd02::/64', 'dev', 'br']],
      ['route.deleted', { route: { destination: '10.2.0.0/16' } }, ['route', 'delete', '10.2.0.0/16']],
      ['address.deleted', { address: { address: '10.1.0.1/24' } }, ['addr', 'delete', '10.1.0.1/24', 'dev', 'br']],
    ];
    for (const [event, about, command] of actions) {
      await namespace.ip(...command);
      const events = await until(watch, (one) => matches(one, { event, ...about }));
      expect(events.at(-1)).toMatchObject({ event, ...about });
    }
    await sh('bridge', '-n', netns, 'fdb', 'add', mac, 'dev', 'br', 'self', 'permanent');
    const fdb = { event: 'neighbour.changed', neighbour: { family: 'bridge', index: 5000, address: mac } };
    await until(watch, (one) => matches(one, fdb));
  });

  test('queueing disciplines and filters are reported as they are listed', async () => {
    await using stage = await openStage();
    const { kernel, netns, namespace } = stage;
    await namespace.ip('link', 'add', 'one', 'index', '5000', 'type', 'bridge');
    await using watch = kernel.watch(netns, { topics: ['traffic'], snapshot: true });
    await watch.ready;
    const tc = (...args: string[]) => sh('tc', '-n', netns, ...args);
    const all = ['u32', 'match', 'u32', '0', '0', 'action', 'mirred', 'egress', 'redirect', 'dev', 'one'];
    await tc('qdisc', 'add', 'dev', 'one', 'ingress');
    await tc('filter', 'add', 'dev', 'one', 'ingress', 'prio', '3', 'protocol', 'all', ...all);
    const snapshot = await kernel.snapshot(netns);
    expect(snapshot.filters).toMatchObject([{ index: 5000, kind: 'u32', priority: 3 }]);
    await tc('filter', 'del', 'dev', 'one', 'ingress', 'prio', '3', 'protocol', 'all');
    await tc('qdisc', 'del', 'dev', 'one', 'ingress');

    const events = await until(watch, ({ event }) => event === 'qdisc.deleted');
    expect(events[0]).toMatchObject({ event: 'snapshot', snapshot: { qdiscs: expect.any(Array), filters: [] } });
    const told = (name: string) => events.find(({ event }) => event === name);
    const without = ({ statistics: _, ...qdisc }: Qdisc) => qdisc;
    const listed = snapshot.qdiscs.filter(({ kind }) => kind === 'ingress').map(without);
    expect(listed).toHaveLength(1);
    expect(told('qdisc.changed')).toMatchObject({ qdisc: listed[0] });
    expect(told('filter.changed')).toMatchObject({ filter: { index: 5000, kind: 'u32', priority: 3 } });
    expect(told('filter.deleted')).toMatchObject({ filter: { index: 5000, kind: 'u32' } });
    expect(told('qdisc.deleted')).toMatchObject({ qdisc: { index: 5000, kind: 'ingress' } });
  });

  test('a commit of nftables is reported with generation and process', async () => {
    await using stage = await openStage();
    await using watch = stage.kernel.watch(stage.netns, { topics: ['nftables'] });
    await watch.ready;
    await stage.namespace.run('nft', 'add', 'table', 'inet', 'one');
    await stage.namespace.run('nft', 'add', 'table', 'inet', 'two');
    const first = (await watch.next()).value as Extract<KernelEvent, { event: 'nftables.changed' }>;
    const second = (await watch.next()).value as typeof first;
    expect(first).toMatchObject({ event: 'nftables.changed', program: 'nft' });
    expect(first.pid).toBeGreaterThan(0);
    expect(second.generation).toBe(first.generation + 1);
  });

  test('an overflow is reported, and followed by a snapshot as ip shows it', async () => {
    await using stage = await openStage();
    const { kernel, namespace, netns } = stage;
    await using watch = kernel.watch(netns, { topics: ['link', 'address'], bufferBytes: 4096 });
    await watch.ready;
    const script = Array.from({ length: 60 }, (_, index) => `link add b${index} type bridge\nlink set b${index} up\n`);
    await inBatch(namespace.name, [...script, 'addr add 10.9.0.1/24 dev b59\n']);

    const events = await until(watch, ({ event }) => event === 'snapshot');
    expect(events.at(-2)).toEqual({ event: 'overflow' });
    const { snapshot } = events.at(-1) as Extract<KernelEvent, { event: 'snapshot' }>;
    const shown = await json<{ ifname: string }[]>('ip', '-n', netns, '-j', 'link');
    expect(snapshot.links?.map(({ name }) => name).sort()).toEqual(shown.map(({ ifname }) => ifname).sort());
    expect(snapshot.addresses?.map(({ address }) => address)).toContain('10.9.0.1/24');
    expect(snapshot).not.toHaveProperty('routes');

    await namespace.ip('link', 'add', 'after', 'type', 'bridge');
    await until(watch, named('after'));
  });

  test('events and snapshots add up to the state of the kernel, however often events are lost', async () => {
    await using stage = await openStage();
    const { kernel, namespace, netns } = stage;
    await using watch = kernel.watch(netns, { topics: ['link'], bufferBytes: 16384, snapshot: true });
    const mtus = new Map<string, number>();
    let overflows = 0;
    const follow = async () => {
      for await (const event of watch) {
        if (event.event === 'link.changed') mtus.set(event.link.name, event.link.mtu);
        if (event.event === 'link.deleted') mtus.delete(event.link.name);
        if (event.event === 'overflow') overflows += 1;
        if (event.event === 'snapshot') {
          mtus.clear();
          for (const link of event.snapshot.links ?? []) mtus.set(link.name, link.mtu);
        }
        if (mtus.has('end')) return;
      }
    };
    await watch.ready;
    let following: Promise<void> | undefined;
    for (let round = 0; round < 5; round += 1) {
      const commands = Array.from({ length: 40 }, (_, index) => [
        `link add r${index} type bridge\n`,
        `link set r${index} mtu ${1000 + round}\n`,
        index % 2 === 0 || round < 4 ? `link delete r${index}\n` : '',
      ]);
      await inBatch(namespace.name, commands.flat().filter(Boolean));
      // From the second round on, the events are read concurrently.
      following ??= follow();
    }
    await namespace.ip('link', 'add', 'end', 'type', 'bridge');
    await following;
    const shown = await json<{ ifname: string; mtu: number }[]>('ip', '-n', netns, '-j', 'link');
    expect(overflows).toBeGreaterThan(0);
    expect(Object.fromEntries(mtus)).toEqual(Object.fromEntries(shown.map(({ ifname, mtu }) => [ifname, mtu])));
  });

  test('a watch ends when its namespace is deleted, and does not keep it alive', async () => {
    await using stage = await openStage(2);
    const [here, there] = stage.namespaces as [(typeof stage.namespaces)[0], (typeof stage.namespaces)[0]];
    await here.ip('link', 'add', 'near', 'type', 'veth', 'peer', 'name', 'far', 'netns', there.name);
    const waited = stage.kernel.watch(there.name);
    const idle = stage.kernel.watch(there.name);
    await Promise.all([waited.ready, idle.ready]);
    const events = (async () => {
      const all: KernelEvent[] = [];
      for await (const event of waited) all.push(event);
      return all;
    })();
    await there.ip('link', 'set', 'far', 'mtu', '1400');
    await there.remove();
    expect(await events).toContainEqual(
      expect.objectContaining({ event: 'link.changed', link: expect.objectContaining({ name: 'far', mtu: 1400 }) }),
    );
    // The inner end was deleted with its namespace, and the outer end with it.
    await eventually(async () => !(await here.ip('link')).includes('near'));
    const rest: KernelEvent[] = [];
    for await (const event of idle) rest.push(event);
    expect(rest.some(named('far'))).toBe(true);
    expect(await idle.next()).toEqual({ done: true, value: undefined });
  });

  test('a watch ends with the process that names the namespace', async () => {
    await using stage = await openStage();
    const sleeper = stage.namespace.spawn('sleep', ['1000']);
    const pid = sleeper.pid as number;
    await eventually(async () => (await sh('readlink', `/proc/${pid}/exe`)).includes('sleep'));
    const watch = stage.kernel.watch(pid);
    await watch.ready;
    await stage.namespace.ip('link', 'add', 'one', 'type', 'bridge');
    await until(watch, named('one'));
    sleeper.kill('SIGKILL');
    for await (const _ of watch);
    expect(await watch.next()).toEqual({ done: true, value: undefined });
  });

  test('return and abort settle waiting calls', async () => {
    await using stage = await openStage();
    const returned = stage.kernel.watch(stage.netns);
    const waiting = returned.next();
    await returned.ready;
    await returned.return();
    expect(await waiting).toEqual({ done: true, value: undefined });

    const controller = new AbortController();
    const aborted = stage.kernel.watch(stage.netns, { signal: controller.signal });
    const pending = [aborted.next(), aborted.next()].map((promise) => rejection(promise));
    await aborted.ready;
    const reason = new Error('enough');
    controller.abort(reason);
    expect(await Promise.all(pending)).toEqual([reason, undefined]);
    expect(await aborted.next()).toEqual({ done: true, value: undefined });
    expect(() => stage.kernel.watch(stage.netns, { signal: controller.signal })).toThrow(reason);

    const closing = stage.kernel.watch(stage.netns);
    const last = closing.next();
    await stage.kernel.close();
    expect(await last).toEqual({ done: true, value: undefined });
  });

  test('an invalid topic or namespace is an error that names it', async () => {
    await using stage = await openStage();
    const { kernel } = stage;
    const watch = kernel.watch('vwt-no-such-namespace');
    const error = await rejection(watch.ready);
    expect(error).toBeInstanceOf(KernelError);
    expect(error).toMatchObject({ code: 'ENOENT', operation: 'watch', namespace: 'vwt-no-such-namespace' });
    expect(await rejection(watch.next())).toBe(error);
    expect(await watch.next()).toEqual({ done: true, value: undefined });
    expect(await rejection(kernel.watch('/etc/passwd').ready)).toMatchObject({ code: 'EINVAL' });

    for (const [options, field] of [
      [{ topics: ['weather'] }, 'topics[0]'],
      [{ topics: [] }, 'topics'],
      [{ bufferBytes: 0 }, 'bufferBytes'],
      [{ bufferBytes: 1.5 }, 'bufferBytes'],
      [{ snapshot: 1 }, 'snapshot'],
      [{ signal: {} }, 'signal'],
      [null, 'options'],
    ] as const) {
      const refused = () => kernel.watch(stage.netns, options as never);
      expect(refused).toThrow(ValidationError);
      expect(refused).toThrow(field);
    }
    expect(() => kernel.watch('a/b')).toThrow(ValidationError);
  });

  test('200 closed watches leave neither descriptors nor threads', async () => {
    await using stage = await openStage();
    const warm = stage.kernel.watch(stage.netns);
    await warm.ready;
    await warm.return();
    // Once this one is ready, the one before is closed.
    const steady = stage.kernel.watch(stage.netns);
    await steady.ready;
    const before = [await descriptors(), await threads()];
    const watches = Array.from({ length: 100 }, () => stage.kernel.watch(stage.netns));
    await Promise.all(watches.map(({ ready }) => ready));
    expect(await threads()).toBe(before[1]);
    expect(await descriptors()).toBeGreaterThanOrEqual((before[0] as number) + 200);
    await Promise.all(watches.map((watch) => watch.return()));
    for (let count = 0; count < 100; count += 1) {
      const watch = stage.kernel.watch(stage.netns);
      await watch.ready;
      await watch.return();
    }
    await eventually(async () => (await descriptors()) === before[0] && (await threads()) === before[1]);
  });
});

describe.skipIf(!privileged)('a process with a watch', () => {
  let program: Awaited<ReturnType<typeof compile>>;
  beforeAll(async () => {
    program = await compile('test/kernel/kernel/watch-child.ts');
  });
  afterAll(async () => {
    await sh('rm', '-r', program.folder);
  });

  test.each([
    ['idle', 0],
    ['worker', 0],
    ['exit', 3],
  ])('ends although a watch is open: %s', async (how, code) => {
    const child = spawn(process.execPath, [program.script, how], { stdio: ['ignore', 'inherit', 'inherit'] });
    expect(await once(child, 'exit')).toEqual([code, null]);
  });

  test('stays alive while a call waits for an event', async () => {
    await using stage = await openStage();
    const child = spawn(process.execPath, [program.script, 'wait', stage.netns], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exit = once(child, 'exit');
    await Promise.race([once(child.stdout, 'data'), exit]);
    expect(child.exitCode).toBeNull();
    await stage.namespace.ip('link', 'add', 'one', 'type', 'bridge');
    expect(await exit).toEqual([0, null]);
  });
});

/** Whether an event has all that is expected of it. */
function matches(event: unknown, expected: unknown): boolean {
  if (typeof expected !== 'object' || expected === null) return Object.is(event, expected);
  if (typeof event !== 'object' || event === null) return false;
  const has = event as Record<string, unknown>;
  return Object.entries(expected).every(([key, value]) => matches(has[key], value));
}

/** Runs ip's commands in one process: faster than events can be read. */
async function inBatch(netns: string, commands: readonly string[]): Promise<void> {
  const child = spawn('ip', ['-n', netns, '-batch', '-'], { stdio: ['pipe', 'ignore', 'inherit'] });
  child.stdin.end(commands.join(''));
  const [code] = await once(child, 'exit');
  expect(code).toBe(0);
}
