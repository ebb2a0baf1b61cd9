import { performance } from 'node:perf_hooks';
import type { Contender } from '../contender.js';
import { type Case, measure, timed } from '../measure.js';
import type { Scenario } from '../scenario.js';
import type { Slot, Stage } from '../stage.js';
import { type Before, readState, verifyAttached, verifyGone, verifyOutOfService, verifyTaps } from '../verify.js';

type Work = 'attach' | 'attachTaps';

/** Numbers of concurrent interfaces. */
const COUNTS = [1, 10, 64, 100, 1000];
const QUICK_COUNTS = [1, 4];

/** Attaches interfaces and detaches them. Measures the time until out of service, and the time until deleted. */
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

/** Attaches `count` interfaces concurrently, verifies, detaches all, verifies. */
export async function attachCase(stage: Stage, work: Work, count: number): Promise<Case> {
  const slots = await stage.slots(count);
  let before: Before;
  return {
    name: `${work === 'attach' ? 'veth' : 'tap'}-${count}`,
    title: `${count} ${work === 'attach' ? 'veth' : 'tap'}${count === 1 ? '' : 's'}${count > 1 ? ' at once' : ''}`,
    ...(work === 'attach' && { at: count }),
    can: ({ peer, contender }) => contender[work] !== undefined && peer.maxInterfaces >= count,
    prepare: async (contender) => {
      before = await readState(contender);
    },
    steps: [
      {
        figures: ['attach'],
        work: async (contender) => [await timed(async () => contender[work]?.(slots))],
        verify: (contender) => (work === 'attach' ? verifyAttached : verifyTaps)(contender, slots, before),
      },
      {
        figures: ['detach', 'gone'],
        work: (contender, isWarmUp) =>
          detachAll(
            contender,
            slots,
            isWarmUp ? () => verifyOutOfService(contender, work === 'attach' ? slots : [], before) : undefined,
          ),
        verify: (contender) => verifyGone(contender, work === 'attach' ? slots : [], before),
      },
    ],
  };
}

/** @param verify runs between detach and drain, in the warm-up only */
async function detachAll(
  contender: Contender,
  slots: readonly Slot[],
  verify?: () => Promise<void>,
): Promise<number[]> {
  const detach = await timed(async () => contender.detach?.(slots));
  await verify?.();
  const start = performance.now();
  const drain = contender.drain === undefined ? 0 : ((await contender.drain()) ?? performance.now() - start);
  return [detach, detach + drain];
}
