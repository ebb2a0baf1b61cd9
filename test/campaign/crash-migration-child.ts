/** A process of crash-migration.ts: migrates a state folder into a cluster, and may kill itself during the migration. */
import { subscribe } from 'node:diagnostics_channel';
import { type Migration, migrate } from '../../src/cluster/migrate.js';

export interface MoveOrder {
  migration: Migration;
  /** Kills itself at the n-th start or end of a transaction. */
  boundary?: number;
}

export type ChildMessage =
  | { event: 'ready' | 'moving' }
  | { event: 'moved' }
  | { event: 'failed'; code: string; text: string };

const say = (report: ChildMessage) => process.send?.(report);

process.once('message', async ({ migration, boundary = Number.POSITIVE_INFINITY }: MoveOrder) => {
  let left = boundary;
  for (const moment of ['start', 'asyncEnd']) {
    subscribe(`tracing:vethwork:store:${moment}`, () => {
      if (--left <= 0) process.kill(process.pid, 'SIGKILL');
    });
  }
  say({ event: 'moving' });
  try {
    await migrate(migration);
    say({ event: 'moved' });
  } catch (error) {
    say({ event: 'failed', code: String((error as { code?: string }).code), text: (error as Error).message });
  }
  process.disconnect();
});
say({ event: 'ready' });
