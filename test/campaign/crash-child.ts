/**
 * A process that crash.ts kills. It opens the host on request, which recovers the unfinished work of the previous process,
 * and then performs random operations.
 */

import { subscribe } from 'node:diagnostics_channel';
import type { HostOptions } from '../../src/api/types.js';
import { repairText } from '../../src/format/repair.js';
import { openHost } from '../../src/index.js';
import { actAtRandom } from './actor.js';
import { armFault } from './faults.js';
import { Random } from './random.js';

/** The point at which the process kills itself. Without it, the parent process kills it. */
export type Doom =
  /** At the n-th start or end of a transaction, a commit or a program. */
  | { at: 'boundary'; count: number }
  /** Before the n-th netlink message. The previous messages of the same send are executed. */
  | { at: 'message'; count: number };

export type Order =
  | { order: 'open'; options: HostOptions; doom?: Doom | undefined }
  | {
      order: 'act';
      seed: number;
      guests: string[];
      devices: string[];
      prefix: string;
      doom?: Doom | undefined;
    };

export type Message =
  | { event: 'ready' }
  | { event: 'open'; repairs: string[] }
  | { event: 'acting' }
  | { event: 'surprise'; text: string };

const say = (message: Message) => process.send?.(message);

let boundaries = Number.POSITIVE_INFINITY;
for (const name of ['kernel', 'process', 'store']) {
  for (const moment of ['start', 'asyncEnd']) {
    subscribe(`tracing:vethwork:${name}:${moment}`, () => {
      if (--boundaries <= 0) process.kill(process.pid, 'SIGKILL');
    });
  }
}

function meet(doom: Doom | undefined): void {
  boundaries = doom?.at === 'boundary' ? doom.count : Number.POSITIVE_INFINITY;
  armFault('kill', doom?.at === 'message' ? doom.count : 0);
}

let host: Awaited<ReturnType<typeof openHost>>;

process.on('message', async (order: Order) => {
  meet(order.doom);
  try {
    if (order.order === 'open') {
      host = await openHost(order.options);
      await host.repaired();
      meet(undefined);
      say({ event: 'open', repairs: (await host.reconcile({ dryRun: true })).map(repairText) });
      return;
    }
    const { seed, guests, devices, prefix } = order;
    say({ event: 'acting' });
    const onSurprise = (text: string) => say({ event: 'surprise', text });
    await actAtRandom(
      host,
      { random: new Random(seed), guests, devices, prefix, maxNetworks: 4, onSurprise },
      () => false,
    );
  } catch (error) {
    say({ event: 'surprise', text: `${order.order}: ${(error as Error).stack}` });
  }
});
process.on('disconnect', () => process.exit());
say({ event: 'ready' });
