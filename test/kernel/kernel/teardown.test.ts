import { describe, expect, test } from 'vitest';
import { nftTable, type Operation } from '../../../src/kernel/index.js';
import { openStage } from '../../support/kernel.js';
import { privileged } from '../../support/namespaces.js';

const table = nftTable('ip', 'removed');
const TYPES = { keyType: 'ipv4_addr' } as const;
const remove = (set: string, ...keys: string[]) =>
  table.deleteElements(
    set,
    TYPES,
    keys.map((key) => ({ key })),
  );

describe.skipIf(!privileged)('a teardown', () => {
  test('executes the commands of an nftables batch whose objects exist', async () => {
    await using stage = await openStage();
    const { kernel, netns, namespace } = stage;
    const add = (set: string, ...keys: string[]) =>
      table.addElements(
        set,
        TYPES,
        keys.map((key) => ({ key })),
      );
    await kernel.transaction([
      {
        op: 'nftables.batch',
        netns,
        commands: [
          table.add(),
          table.set('one', TYPES),
          table.set('two', TYPES),
          add('one', '10.0.0.1', '10.0.0.2'),
          add('two', '10.0.0.1', '10.0.0.2'),
        ],
      },
    ]);
    const removal: Operation = {
      op: 'nftables.batch',
      netns,
      commands: [
        remove('one', '10.0.0.1'),
        remove('one', '10.0.0.9'),
        remove('none', '10.0.0.1'),
        remove('two', '10.0.0.2'),
      ],
    };
    const left = async () => (await namespace.run('nft', 'list', 'table', 'ip', 'removed')).match(/10\.0\.0\.\d/g);
    // The positive control: the kernel executes nothing of the batch.
    await expect(kernel.transaction([removal])).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await left()).toHaveLength(4);
    expect(await kernel.teardown([removal])).toEqual([]);
    expect(await left()).toEqual(['10.0.0.2', '10.0.0.1']);
    expect(await kernel.teardown([removal])).toEqual([]);
    expect(await left()).toEqual(['10.0.0.2', '10.0.0.1']);
  });

  test('reports other failures of a repeated batch', async () => {
    await using stage = await openStage();
    const { kernel, netns } = stage;
    const chain = { type: 'filter', hook: 'input', priority: 0 } as const;
    await kernel.transaction([
      {
        op: 'nftables.batch',
        netns,
        commands: [table.add(), table.set('one', TYPES), ...table.chain('in', chain, {})],
      },
    ]);
    const errors = await kernel.teardown([
      // A set is not deleted while it has another type of key.
      {
        op: 'nftables.batch',
        netns,
        commands: [
          remove('none', '10.0.0.1'),
          table.deleteElements('one', { keyType: 'ether_addr' }, [{ key: '02:00:00:00:00:01' }]),
        ],
      },
    ]);
    expect(errors).toHaveLength(1);
    expect(errors[0]?.code).toBe('EINVAL');
  });
});
