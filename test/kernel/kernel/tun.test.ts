import { describe, expect, test } from 'vitest';
import { ValidationError } from '../../../src/errors.js';
import type { TapSpec } from '../../../src/kernel/index.js';
import { ipLink, openStage } from '../../support/kernel.js';
import { privileged } from '../../support/namespaces.js';

describe.skipIf(!privileged)('tap and tun', () => {
  test.each<[string, TapSpec, object]>([
    ['a tap', { name: 'dev' }, { type: 'tap', pi: false, vnet_hdr: false, multi_queue: false, persist: true }],
    ['a tun', { name: 'dev', mode: 'tun' }, { type: 'tun', pi: false, persist: true }],
    [
      'a tap for one user, with queues and headers',
      { name: 'dev', mode: 'tap', index: 5001, owner: 65534, group: 65533, multiQueue: true, vnetHeader: true },
      { type: 'tap', vnet_hdr: true, multi_queue: true, numqueues: 0, user: 'nobody', group: 65533 },
    ],
  ])('%s is shown by ip and listed', async (_, tap, expected) => {
    await using stage = await openStage();
    const { kernel, namespace, netns } = stage;
    await kernel.transaction([{ op: 'tap.add', netns, tap }]);
    const shown = await ipLink(namespace, 'dev');
    expect(shown.linkinfo).toMatchObject({ info_kind: 'tun', info_data: expected });
    const { name, index, mode = 'tap', ...rest } = tap;
    expect(shown.ifindex).toBe(index ?? shown.ifindex);
    const read = await kernel.query('link.get', { netns, link: { name } });
    expect(read).toMatchObject({ kind: 'tun', data: { mode, ...rest, persistent: true } });
    expect(Object.keys(read.data ?? {}).filter((key) => key.startsWith('attribute'))).toEqual([]);
  });

  test('another mode is rejected before anything is created', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const tap = { name: 'dev', mode: 'tub' } as unknown as TapSpec;
    const error = await kernel.transaction([{ op: 'tap.add', netns, tap }]).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ValidationError);
    expect(error).toMatchObject({ field: 'operations[0].tap.mode' });
  });
});
