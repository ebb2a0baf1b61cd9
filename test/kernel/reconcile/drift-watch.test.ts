import { afterEach, describe, expect, test } from 'vitest';
import { parseDriftWatchOptions } from '../../../src/api/options.js';
import type { RepairResult } from '../../../src/api/types.js';
import { openKernel } from '../../../src/kernel/index.js';
import type { Kernel } from '../../../src/kernel/kernel.js';
import { DriftWatcher } from '../../../src/reconcile/drift-watcher.js';
import { eventually, privileged, TestNamespace } from '../../support/namespaces.js';

/** How often it looks, and when: what the looks find is the affair of other tests. */
describe.skipIf(!privileged)('the drift watcher', () => {
  const kernels: Kernel[] = [];
  const watchers: DriftWatcher[] = [];

  afterEach(async () => {
    for (const watcher of watchers.splice(0)) await watcher.close();
    for (const kernel of kernels.splice(0)) await kernel.close();
  });

  async function watch(namespaces: string[], look: () => RepairResult[], options: object) {
    const kernel = openKernel();
    const looks = { count: 0 };
    const watcher = new DriftWatcher(
      {
        kernel,
        namespaces: async () => namespaces,
        reconcile: async () => {
          looks.count++;
          return look();
        },
        reconcileNetworks: async () => [],
      },
      parseDriftWatchOptions(options),
    );
    kernels.push(kernel);
    watchers.push(watcher);
    await watcher.start();
    await eventually(() => looks.count > 0, 60_000);
    return looks;
  }

  test('reconciles at the start, after an event, rarely after many events, and never without', async () => {
    await using namespace = await TestNamespace.create('drift', { loopback: false });
    const interval = 1000;
    const looks = await watch([namespace.name], () => [], { interval });
    const began = Date.now();
    for (let round = 0; round < 100; round++) {
      await namespace.ip('link', 'add', 'one', 'type', 'bridge');
      await namespace.ip('link', 'delete', 'one');
    }
    const most = 2 + (Date.now() - began) / interval;
    await eventually(() => looks.count > 1, 60_000);
    expect(looks.count).toBeLessThanOrEqual(most);
    // Without an event, only the pending reconciliation may run.
    await new Promise((resolve) => setTimeout(resolve, 2 * interval));
    const settled = looks.count;
    await new Promise((resolve) => setTimeout(resolve, 3 * interval));
    expect(looks.count).toBe(settled);
    await namespace.ip('link', 'add', 'one', 'type', 'bridge');
    await eventually(() => looks.count > settled, 60_000);
  });

  test('retries a failed repair with a growing delay', async () => {
    await using namespace = await TestNamespace.create('drift', { loopback: false });
    const repaired: RepairResult = { action: 'create', description: 'it' };
    const failed = { ...repaired, error: { code: 'EBUSY', message: 'not yet' } };
    const answers = [failed, failed, repaired];
    const looks = await watch([namespace.name], () => answers.splice(0, 1), { interval: 20 });
    await eventually(() => looks.count >= 3, 60_000);
    expect(answers).toEqual([]);
  });

  test('watches namespaces that are created later, or again', async () => {
    await using first = await TestNamespace.create('drift', { loopback: false });
    const names = [first.name];
    const looks = await watch(names, () => [], { interval: 20 });
    await using second = await TestNamespace.create('drift', { loopback: false });
    names.push(second.name);
    await first.ip('link', 'add', 'one', 'type', 'bridge');
    await eventually(async () => {
      const before = looks.count;
      await second.ip('link', 'add', 'one', 'type', 'bridge');
      await second.ip('link', 'delete', 'one');
      return eventually(() => looks.count > before, 1000).catch(() => false);
    }, 60_000);
    const before = looks.count;
    await second.remove();
    await eventually(() => looks.count > before, 60_000);
  });
});
