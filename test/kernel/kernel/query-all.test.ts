import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KernelError, ValidationError } from '../../../src/errors.js';
import type { NamespaceRef } from '../../../src/kernel/namespace.js';
import { openOwnKernel } from '../../../src/kernel/open-kernel.js';
import type { OwnKernel } from '../../../src/kernel/own-kernel.js';
import { rejection } from '../../support/kernel.js';
import { json, privileged, TestNamespace } from '../../support/namespaces.js';

describe.skipIf(!privileged)('several queries in one call', () => {
  let namespace: TestNamespace;
  let kernel: OwnKernel;

  beforeAll(async () => {
    namespace = await TestNamespace.create('queries');
    await namespace.ip('link', 'set', 'lo', 'up');
    await namespace.ip('route', 'add', 'blackhole', '10.1.0.0/16', 'metric', '7');
    kernel = openOwnKernel(undefined);
  });
  afterAll(async () => {
    await kernel.close();
    await namespace.remove();
  });

  test('are answered in their order', async () => {
    const netns = namespace.name;
    const [place, id, links, routes, again] = await kernel.queryAll([
      { op: 'namespace.get', netns },
      { op: 'namespace.id', target: netns },
      { op: 'link.list', netns },
      { op: 'route.list', netns },
      { op: 'namespace.get', netns },
    ]);
    const shown = await json<{ ifname: string }[]>('ip', '-n', netns, '-j', 'link', 'show');
    expect(links.map(({ name }) => name)).toEqual(shown.map(({ ifname }) => ifname));
    expect(routes).toContainEqual(expect.objectContaining({ destination: '10.1.0.0/16', metric: 7 }));
    expect(again).toEqual(place);
    expect(place).toEqual(await kernel.query('namespace.get', { netns }));
    expect(id).toBe(await kernel.query('namespace.id', { target: netns }));
  });

  test('fail with the first error', async () => {
    const netns = namespace.name;
    const absent = await rejection(
      kernel.queryAll([
        { op: 'link.get', netns, link: { name: 'lo' } },
        { op: 'link.get', netns, link: { name: 'absent' } },
        { op: 'namespace.get', netns: 'absent-too' },
      ]),
    );
    expect(absent).toBeInstanceOf(KernelError);
    expect(absent).toMatchObject({ code: 'ENODEV', operation: 'read link.get', namespace: netns });
    const malformed = await rejection(
      kernel.queryAll([
        { op: 'namespace.get', netns },
        { op: 'namespace.id', netns, target: {} as NamespaceRef },
      ]),
    );
    expect(malformed).toBeInstanceOf(ValidationError);
    expect(malformed).toMatchObject({ field: 'target' });
  });
});
