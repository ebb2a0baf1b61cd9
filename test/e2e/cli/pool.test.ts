import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Status } from '../../../src/format/format.js';
import type { InterfaceInfo, PoolSummary } from '../../../src/index.js';
import { cli } from '../../support/cli.js';
import { TestHost } from '../../support/host.js';
import { hasLink } from '../../support/kernel.js';
import { privileged } from '../../support/namespaces.js';

describe.skipIf(!privileged)('vethwork pool', () => {
  let machine: TestHost;

  beforeAll(async () => {
    machine = await TestHost.create({ deletionHalo: 0 });
    const host = await machine.open();
    await host.createNetwork({ name: 'demo', netblock: '172.16.0.0/24' });
  });
  afterAll(() => machine.remove());

  const vethwork = (...argv: string[]) => cli('--state-dir', machine.options.stateDir, ...argv);
  async function value<Value>(...argv: string[]): Promise<Value> {
    const { exitCode, out, err } = await vethwork('--json', ...argv);
    expect([exitCode, err]).toEqual([0, '']);
    return JSON.parse(out) as Value;
  }

  test('creates, lists, claims, resizes and deletes', async () => {
    const pool = await value<PoolSummary>('pool', 'create', 'demo', 'tap', '--min', '2');
    expect(pool).toMatchObject({ name: 'tap', kind: 'tap', min: 2, max: 8, free: 2, claimed: 0 });
    const nic = await value<InterfaceInfo>('pool', 'claim', 'demo', 'tap', '--hostname', 'web', '--instance', 'i-1');
    expect(nic).toMatchObject({ pool: pool.uuid, hostname: 'web', instance: 'i-1', state: 'created' });
    expect(await hasLink(machine.node, nic.device)).toBe(true);
    const [listed] = await value<PoolSummary[]>('pool', 'list', 'demo');
    expect(listed).toMatchObject({ uuid: pool.uuid, claimed: 1, hits: 1, misses: 0 });
    const table = await vethwork('pool', 'list');
    expect(table.out).toMatch(/^UUID +NETWORK +NAME +KIND +FREE +CLAIMED +MIN +MAX +HITS +MISSES +STATE\n/);
    expect((await value<Status>('status')).pools.map(({ uuid }) => uuid)).toEqual([pool.uuid]);
    expect((await vethwork('status')).out).toContain(pool.uuid);
    expect(await value('pool', 'resize', 'demo', 'tap', '--min', '1', '--max', '1')).toMatchObject({ free: 1, max: 1 });
    expect(await value('pool', 'delete', 'demo', 'tap')).toEqual({ deleted: pool.uuid });
    expect(await value('pool', 'list')).toEqual([]);
    // The claimed slot stays until it is detached.
    expect(await hasLink(machine.node, nic.device)).toBe(true);
    await value('interface', 'detach', nic.uuid);
    expect(await hasLink(machine.node, nic.device)).toBe(false);
    expect((await value<Status>('status')).repairs).toEqual([]);
  });

  test('says what is wrong with its options', async () => {
    for (const [argv, code, text] of [
      [['create', 'demo', 'vm', '--min', '1'], 2, 'kind'],
      [['create', 'demo', 'clone', '--min', '1'], 2, 'guest'],
      [['create', 'demo', 'clone', '--min', '1', '--guest-tap', 'tap0'], 2, 'guest.mac'],
      [['create', 'demo', 'tap', '--min', '0'], 2, 'min'],
      [['create', 'demo', 'tap'], 2, '--min'],
      [['claim', 'demo', 'none'], 1, 'none'],
    ] as const) {
      const { exitCode, err } = await vethwork('pool', ...argv);
      expect(exitCode).toBe(code);
      expect(err).toContain(text);
    }
  });
});
