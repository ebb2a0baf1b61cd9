import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { type Kernel, type KernelWatch, type NamespaceWatch, openKernel } from '../../../src/kernel/index.js';
import { rejection } from '../../support/kernel.js';
import { privileged, sh, TestNamespace } from '../../support/namespaces.js';

/** Inotify watches of this process (proc_pid_fdinfo(5)). */
async function inotifyCount(): Promise<number> {
  const folder = '/proc/self/fdinfo';
  const texts = (await readdir(folder)).map((fd) => readFile(`${folder}/${fd}`, 'utf8').catch(String));
  return (await Promise.all(texts)).join('').match(/^inotify /gm)?.length ?? 0;
}

describe.skipIf(!privileged)('await using', () => {
  test('closes a kernel after its pending calls', async () => {
    await using namespace = await TestNamespace.create('using');
    const netns = namespace.name;
    let closed: Kernel;
    let pending: Promise<void>;
    {
      await using kernel = openKernel({ home: netns });
      closed = kernel;
      pending = kernel.transaction([{ op: 'link.add', netns, link: { kind: 'bridge', name: 'late' } }]);
      expect(await kernel.query('link.list', { netns })).not.toEqual([]);
    }
    await pending;
    expect(await sh('ip', '-n', netns, '-br', 'link')).toContain('late');
    expect(await rejection(closed.query('link.list', { netns }))).toMatchObject({ code: 'ERR_VETHWORK_CONFLICT' });
    // Closing again has no effect.
    await expect(closed[Symbol.asyncDispose]()).resolves.toBeUndefined();
  });

  test('closes a watch of a namespace, also while a call waits for it', async () => {
    await using namespace = await TestNamespace.create('using');
    await using kernel = openKernel();
    let closed: KernelWatch;
    let waiting: Promise<unknown>;
    {
      await using watch = kernel.watch(namespace.name, { topics: ['link'] });
      await watch.ready;
      await namespace.ip('link', 'add', 'seen', 'type', 'bridge');
      expect((await watch.next()).value).toMatchObject({ event: 'link.changed', link: { name: 'seen' } });
      closed = watch;
      waiting = (async () => {
        for await (const _ of watch);
        return 'ended';
      })();
    }
    expect(await waiting).toBe('ended');
    expect(await closed.next()).toEqual({ done: true, value: undefined });
  });

  test('closes a watch of the pinned namespaces, also while a call waits for it', async () => {
    await using namespace = await TestNamespace.create('using');
    await using kernel = openKernel();
    const before = await inotifyCount();
    let closed: NamespaceWatch;
    let waiting: Promise<unknown>;
    {
      await using watch = kernel.watchNamespaces({ snapshot: true });
      closed = watch;
      for (;;) {
        const { value } = await watch.next();
        if (value?.namespace.name === namespace.name) break;
      }
      expect(await inotifyCount()).toBe(before + 1);
      waiting = (async () => {
        for await (const _ of watch);
        return 'ended';
      })();
    }
    expect(await waiting).toBe('ended');
    expect(await closed.next()).toEqual({ done: true, value: undefined });
    expect(await inotifyCount()).toBe(before);
  });

  test('ends the watches of a closed kernel', async () => {
    await using namespace = await TestNamespace.create('using');
    const kernel = openKernel();
    const watches = [kernel.watch(namespace.name), kernel.watchNamespaces({ snapshot: true })];
    const ended = watches.map(async (watch) => {
      for await (const _ of watch);
      return 'ended';
    });
    await kernel[Symbol.asyncDispose]();
    expect(await Promise.all(ended)).toEqual(['ended', 'ended']);
  });

  test('closes a watch that was never read, whose signal ends no other watch', async () => {
    await using kernel = openKernel();
    const { signal } = new AbortController();
    await using watch = kernel.watchNamespaces({ signal });
    expect(await watch.return()).toEqual({ done: true, value: undefined });
    expect(await watch.next()).toEqual({ done: true, value: undefined });
  });
});
