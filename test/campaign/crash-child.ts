/**
 * A process that is going to be killed, for crash.ts. It opens the host when told to, which repairs what its predecessor
 * left, then acts at random.
 */

import { subscribe } from 'node:diagnostics_channel';
import type { HostOptions } from '../../src/api/types.js';
import { repairText } from '../../src/format/repair.js';
import { openHost } from '../../src/index.js';
import { actAtRandom } from './actor.js';
import { armFault } from './faults.js';
import { Random } from './random.js';

/** When the process kills itself; without, others do. */
export type Doom =
  /** At the n-th beginning or end of a transaction, a commit or a program. */
  | { at: 'boundary'; count: number }
  /** Before the n-th message to the kernel, what is before it in the same send being done. */
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
