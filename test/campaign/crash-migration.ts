import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { openEtcdStore } from '../../src/store/etcd/store.js';
import { openLmdbStore } from '../../src/store/lmdb.js';
import type { Entry } from '../../src/store/store.js';
import { TestEtcd } from '../support/etcd.js';
import { TestHost } from '../support/host.js';
import type { Campaign } from './campaign.js';
import type { ChildMessage, MoveOrder } from './crash-migration-child.js';
import type { Random } from './random.js';

const NODE = 'node1';
/** Approximate duration of a migration in milliseconds, and its approximate number of transaction boundaries. */
const LONGEST = 60;
const BOUNDARIES = 8;

/**
 * Kills processes that migrate a state folder into a cluster. Each resumed migration must be complete. Resolves to the number
 * of kills.
 * @param program path of the compiled crash-migration-child.ts
 */
export async function killMigrations(
  program: string,
  campaign: Campaign,
  random: Random,
  count: number,
): Promise<number> {
  const etcd = await TestEtcd.start();
  const machine = await TestHost.create();
  const folder = await mkdtemp(path.join(tmpdir(), 'vethwork-moves-'));
  let kills = 0;
  try {
    await furnish(machine);
    const before = await contentOf(machine.options.stateDir);
    while (kills < count && !campaign.expired(0)) {
      const state = path.join(folder, `${kills}`);
      await cp(machine.options.stateDir, state, { recursive: true });
      const store = { etcd: [etcd.url], prefix: `move${kills}/` };
      const migration = { stateDir: state, store, node: NODE };
      // Some migrations are killed several times. The last process is not killed.
      for (let again = true; again; again = random.chance(0.3)) {
        await killOnTheWay(program, migration, random);
        kills++;
      }
      const report = await finish(program, migration);
      // The migration may have been complete before the kill.
      if (
        report.event === 'failed' &&
        !(report.code === 'ERR_VETHWORK_CONFLICT' && report.text.includes('has moved to'))
      ) {
        campaign.finding(`a migration cannot be resumed: ${report.text}`);
      }
      for (const text of await differences(before, migration)) campaign.finding(`after ${kills} migrations: ${text}`);
    }
    return kills;
  } finally {
    await machine.remove();
    await rm(folder, { recursive: true, force: true });
    await etcd[Symbol.asyncDispose]();
  }
}

async function furnish(machine: TestHost): Promise<void> {
  const host = await machine.open();
  for (const name of ['one', 'two']) {
    const network = await host.createNetwork({ name, netblock: '10.9.0.0/24', provideDhcp: false });
    const nics = await Promise.all(Array.from({ length: 20 }, (_, n) => network.attach({ tap: `${name}${n}` })));
    await nics[0]?.float();
    await network.routeAddress();
  }
}

async function begin(program: string, order: MoveOrder): Promise<ChildProcess> {
  const child = fork(program, { stdio: ['ignore', 2, 2, 'ipc'] });
  await Promise.race([once(child, 'message'), once(child, 'exit')]);
  child.send(order);
  return child;
}

async function killOnTheWay(program: string, migration: MoveOrder['migration'], random: Random): Promise<void> {
  const boundary = random.chance(0.5) ? random.integer(1, BOUNDARIES) : undefined;
  const child = await begin(program, { migration, ...(boundary !== undefined && { boundary }) });
  const ended = once(child, 'exit');
  await Promise.race([ended, once(child, 'message')]);
  await Promise.race([ended, sleep(boundary === undefined ? random.next() * LONGEST : 10 * LONGEST)]);
  child.kill('SIGKILL');
  await ended;
}

async function finish(program: string, migration: MoveOrder['migration']): Promise<ChildMessage> {
  const child = await begin(program, { migration });
  let last: ChildMessage = { event: 'ready' };
  child.on('message', (report: ChildMessage) => {
    last = report;
  });
  await once(child, 'exit');
  return last;
}

async function contentOf(state: string): Promise<Entry[]> {
  const store = await openLmdbStore(state);
  try {
    return await store.list('');
  } finally {
    await store.close();
  }
}

/** Differences between the state and the cluster's records, and leftovers of the migration in both. */
async function differences(
  before: readonly Entry[],
  { stateDir: state, store }: MoveOrder['migration'],
): Promise<string[]> {
  const cluster = await openEtcdStore(store);
  try {
    const there = new Map((await cluster.list('')).map(({ key, value }) => [key, value]));
    const found: string[] = [];
    for (const { key, value } of before) {
      const [kind, ...rest] = key.split('/');
      const wantedKey = kind === 'device' || kind === 'place' ? [kind, NODE, ...rest].join('/') : key;
      const isOnNode = kind === 'interface' || kind === 'pool';
      const more = isOnNode ? { node: NODE } : kind === 'host' ? { networkNode: NODE } : undefined;
      // Nodes of a cluster have settings of their own, and always announce addresses.
      const { settings: _, isFirstOwner: __, ...common } = value as { settings?: unknown; isFirstOwner?: unknown };
      const wanted = more === undefined ? value : { ...common, ...more };
      if (!isDeepStrictEqual(there.get(wantedKey), wanted)) found.push(`${wantedKey} is not what it was`);
      there.delete(wantedKey);
    }
    there.delete(`runtime/${NODE}`);
    found.push(...[...there.keys()].map((key) => `${key} is too much`));
    const host = (await contentOf(state)).find(({ key }) => key === 'host')?.value as { movedTo?: string } | undefined;
    if (host?.movedTo === undefined) found.push('the folder can still be used');
    return found;
  } finally {
    await cluster.close();
  }
}
