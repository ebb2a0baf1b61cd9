import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { type NamespaceEvent, openKernel } from '../../../src/kernel/index.js';
import { openStage, rejection } from '../../support/kernel.js';
import { attempt, eventually, json, privileged, sh } from '../../support/namespaces.js';

describe.skipIf(!privileged)('namespaces', () => {
  test('a new namespace is listed by ip, has its pin in a shared mount, and ends when it is deleted', async () => {
    await using stage = await openStage();
    const { kernel } = stage;
    const name = `${stage.netns}-made`;
    const pinned = async () => (await json<{ name: string }[]>('ip', '-j', 'netns')).map((netns) => netns.name);
    await kernel.transaction([{ op: 'namespace.add', name }]);
    expect(await pinned()).toContain(name);
    expect(
      (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').filter((line) => line.includes(' /run/netns ')),
    ).toEqual([expect.stringMatching(/ shared:\d+ /)]);
    const inode = Number(await sh('stat', '-L', '-c', '%i', `/run/netns/${name}`));
    const identity = expect.stringMatching(/^\d+@[0-9a-f-]{36}$/);
    expect(await kernel.query('namespace.get', { netns: name })).toEqual({ inode, identity });
    expect(await kernel.query('namespace.list')).toContainEqual({ name, inode, identity });
    // It has only loopback, down, as after `ip netns add`.
    expect(await json('ip', '-n', name, '-j', 'link')).toMatchObject([{ ifname: 'lo', operstate: 'DOWN' }]);

    expect(await rejection(kernel.transaction([{ op: 'namespace.add', name }]))).toMatchObject({
      code: 'EEXIST',
      operation: `create namespace ${name}`,
    });
    await kernel.transaction([{ op: 'namespace.delete', name }]);
    expect(await pinned()).not.toContain(name);
    expect((await attempt('test', '-e', `/run/netns/${name}`)).exitCode).toBe(1);
    expect(await rejection(kernel.transaction([{ op: 'namespace.delete', name }]))).toMatchObject({ code: 'ENOENT' });
  });

  test('a pin without a mount, left by a crash, is deleted', async () => {
    await using stage = await openStage();
    const name = `${stage.netns}-left`;
    await sh('touch', `/run/netns/${name}`);
    expect(await stage.kernel.query('namespace.list')).not.toContainEqual(expect.objectContaining({ name }));
    expect(await rejection(stage.kernel.query('link.list', { netns: name }))).toMatchObject({ code: 'EINVAL' });
    await stage.kernel.transaction([{ op: 'namespace.delete', name }]);
    expect((await attempt('test', '-e', `/run/netns/${name}`)).exitCode).toBe(1);
  });

  test('a pin without a mount is used again, and a file of another program is not changed', async () => {
    await using stage = await openStage();
    const { kernel } = stage;
    const name = `${stage.netns}-bare`;
    const path = `/run/netns/${name}`;
    const add = () => kernel.transaction([{ op: 'namespace.add', name }]);
    await add();
    await sh('umount', path);
    const watcher = watch('/run/netns');
    const told = new Set<unknown>();
    watcher.on('change', (_, file) => told.add(file));
    await add();
    // There is no event for a mount.
    await eventually(async () => told.has(name));
    watcher.close();
    expect(await json('ip', '-n', name, '-j', 'link')).toMatchObject([{ ifname: 'lo', operstate: 'DOWN' }]);
    expect((await readFile('/proc/self/mountinfo', 'utf8')).split(` ${path} `)).toHaveLength(2);
    await sh('umount', path);
    // The process that creates it holds the lock.
    const maker = spawn('flock', [path, 'sh', '-c', 'echo held; read -r _'], { stdio: ['pipe', 'pipe', 'inherit'] });
    await once(maker.stdout, 'data');
    expect(await rejection(add())).toMatchObject({ code: 'EEXIST' });
    maker.stdin.end();
    await once(maker, 'close');
    await kernel.transaction([{ op: 'namespace.delete', name }]);
    const makes = [
      ...[`touch ${path}`, `mkdir ${path}`, `ln -s nowhere ${path}`, `install -m 0400 /etc/hostname ${path}`],
      // A process has both ends open: `ip` of other tests opens all files of the folder, and would wait for the other end.
      `mkfifo -m 0400 ${path}; (exec 3<>${path}; sleep 2) >/dev/null 2>&1 &`,
    ];
    for (const make of makes) {
      await sh('sh', '-c', make);
      const before = await sh('stat', '-c', '%i %f %s', path);
      expect(await rejection(add())).toMatchObject({ code: 'EEXIST', operation: `create namespace ${name}` });
      expect(await sh('stat', '-c', '%i %f %s', path)).toBe(before);
      await sh('rm', '-d', path);
    }
  });

  test('the id of another namespace is the one that ip shows', async () => {
    await using stage = await openStage(2);
    const { kernel, netns, namespace, other } = stage;
    expect(await kernel.query('namespace.id', { netns, target: other.name })).toBe(-1);
    await namespace.ip('netns', 'set', other.name, '77');
    expect(await kernel.query('namespace.id', { netns, target: other.name })).toBe(77);
    expect(await kernel.query('namespace.id', { netns, target: other.path })).toBe(77);
    expect(await rejection(kernel.query('namespace.id', { netns, target: 'vwt-none' }))).toMatchObject({
      code: 'ENOENT',
    });
    expect(await rejection(kernel.query('namespace.id', { netns, target: '' }))).toMatchObject({ field: 'target' });
  });

  test('added and deleted namespaces are reported, whichever program creates them', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const aborting = new AbortController();
    const mine = (event: NamespaceEvent) => event.namespace.name.startsWith(netns);
    const watch = kernel.watchNamespaces({ snapshot: true, signal: aborting.signal });
    const next = async () => {
      for (;;) {
        const { value } = await watch.next();
        if (value !== undefined && mine(value)) return value;
      }
    };
    const infoOf = async (name: string) => ({ name, ...(await kernel.query('namespace.get', { netns: name })) });
    expect(await next()).toEqual({
      event: 'namespace.added',
      namespace: await infoOf(netns),
    });
    for (const name of [`${netns}-ip`, `${netns}-own`]) {
      const byUs = name.endsWith('own');
      const added = next();
      await (byUs ? kernel.transaction([{ op: 'namespace.add', name }]) : sh('ip', 'netns', 'add', name));
      const namespace = await infoOf(name);
      expect(await added).toEqual({ event: 'namespace.added', namespace });
      const deleted = next();
      await (byUs ? kernel.transaction([{ op: 'namespace.delete', name }]) : sh('ip', 'netns', 'delete', name));
      expect(await deleted).toEqual({ event: 'namespace.deleted', namespace });
    }
    const waiting = rejection(next());
    aborting.abort(new Error('enough'));
    expect(await waiting).toMatchObject({ message: 'enough' });
    expect(await watch.next()).toEqual({ done: true, value: undefined });
  });

  test('a watch rejects with any reason of an abort', async () => {
    await using stage = await openStage();
    const aborting = new AbortController();
    const watch = stage.kernel.watchNamespaces({ snapshot: true, signal: aborting.signal });
    await watch.next();
    const waiting = (async () => {
      for await (const _ of watch);
    })();
    aborting.abort('enough');
    expect(await rejection(waiting)).toBe('enough');
  });

  test('one name is created and deleted a hundred times, with its links', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const name = `${netns}-again`;
    for (let round = 0; round < 100; ++round) {
      await kernel.transaction([
        { op: 'namespace.add', name },
        { op: 'link.add', netns, link: { kind: 'veth', name: 'o', data: { peer: { name: 'i', netns: name } } } },
      ]);
      expect(
        await kernel.teardown([
          { op: 'link.delete', netns, link: { name: 'o' } },
          { op: 'namespace.delete', name },
        ]),
      ).toEqual([]);
    }
  });

  test.each([
    ['whose sockets are kept open', true],
    ['that is used now and then', false],
  ])('a namespace %s is detected as another one after it was deleted and created again', async (_, retained) => {
    await using stage = await openStage();
    const name = `${stage.netns}-replaced`;
    await sh('ip', 'netns', 'add', name);
    const kernel = openKernel(retained ? { home: name } : {});
    try {
      for (let round = 0; round < 5; ++round) {
        await kernel.transaction([{ op: 'link.add', netns: name, link: { kind: 'bridge', name: `br${round}` } }]);
        await sh('ip', 'netns', 'delete', name);
        expect(await rejection(kernel.query('link.list', { netns: name }))).toMatchObject({ code: 'ENOENT' });
        await sh('ip', 'netns', 'add', name);
        await kernel.transaction([{ op: 'link.add', netns: name, link: { kind: 'bridge', name: `new${round}` } }]);
        const seen = (await json<{ ifname: string }[]>('ip', '-n', name, '-j', 'link')).map(({ ifname }) => ifname);
        expect(seen).toEqual(['lo', `new${round}`]);
      }
    } finally {
      await kernel.close();
      await attempt('ip', 'netns', 'delete', name);
    }
  });

  test.each(['', '.', '..', 'a/b', 'a\0b', 'x'.repeat(256), 7, null])('%j is not a valid name', async (name) => {
    const error = await rejection(openKernel().transaction([{ op: 'namespace.add', name: name as string }]));
    expect(error).toMatchObject({ name: 'ValidationError', field: 'operations[0].name' });
  });
});
