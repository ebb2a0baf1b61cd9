import { performance } from 'node:perf_hooks';
import type { Contender } from '../contender.js';
import { type Case, measure, timed } from '../measure.js';
import type { Scenario } from '../scenario.js';
import type { Slot, Stage } from '../stage.js';
import { type Before, look, verifyAttached, verifyGone, verifyOutOfService, verifyTaps } from '../verify.js';

type Work = 'attach' | 'attachTaps';

/** Interfaces at once. */
const COUNTS = [1, 10, 64, 100, 1000];
const QUICK_COUNTS = [1, 4];

/** Interfaces are attached, and detached again: until they are out of service, and until nothing is left of them. */
export const attach: Scenario = {
  name: 'attach',
  title: 'Attach and detach interfaces',
  over: 'interfaces at once',
  run: async (setting) => {
    const cases = [await attachCase(setting.stage, 'attachTaps', 1)];
    for (const count of setting.quick ? QUICK_COUNTS : COUNTS)
      cases.push(await attachCase(setting.stage, 'attach', count));
    const results = [];
    for (const each of cases) results.push(await measure(each, setting.entrants, setting));
    return { cases: results };
  },
};

/** Attach so many at once, verify, detach all, verify. */
export async function attachCase(stage: Stage, work: Work, count: number): Promise<Case> {
  const slots = await stage.slots(count);
  let before: Before;
  return {
    name: `${work === 'attach' ? 'veth' : 'tap'}-${count}`,
    title: `${count} ${work === 'attach' ? 'veth' : 'tap'}${count === 1 ? '' : 's'}${count > 1 ? ' at once' : ''}`,
    ...(work === 'attach' && { at: count }),
    can: ({ peer, contender }) => contender[work] !== undefined && peer.most >= count,
    prepare: async (contender) => {
      before = await look(contender);
    },
    steps: [
      {
        figures: ['attach'],
        work: async (contender) => [await timed(async () => contender[work]?.(slots))],
        verify: (contender) => (work === 'attach' ? verifyAttached : verifyTaps)(contender, slots, before),
      },
      {
        figures: ['detach', 'gone'],
        work: (contender, isFirst) =>
          detachAll(
            contender,
            slots,
            isFirst ? () => verifyOutOfService(contender, work === 'attach' ? slots : [], before) : undefined,
          ),
        verify: (contender) => verifyGone(contender, work === 'attach' ? slots : [], before),
      },
    ],
  };
}

/** @param look between the two, where their times are not of interest */
async function detachAll(contender: Contender, slots: readonly Slot[], look?: () => Promise<void>): Promise<number[]> {
  const detach = await timed(async () => contender.detach?.(slots));
  await look?.();
  const start = performance.now();
  const drain = contender.drain === undefined ? 0 : ((await contender.drain()) ?? performance.now() - start);
  return [detach, detach + drain];
}
