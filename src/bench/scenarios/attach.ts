import type { Contender } from '../contender.js';
import { type Case, type CaseResult, type Entrant, measure, type Step, timed } from '../measure.js';
import type { Fact, Scenario } from '../scenario.js';
import type { Slot, Stage } from '../stage.js';
import { useInterfaces } from '../use.js';
import { type Before, readState, verifyAttached, verifyGone, verifyOutOfService, verifyTaps } from '../verify.js';
import { drained } from './network.js';

type Work = 'attach' | 'attachTaps';

/** Numbers of concurrent interfaces. */
const COUNTS = [1, 10, 64, 100, 1000];
const QUICK_COUNTS = [1, 4];
/** Contenders whose detach is measured with and without traffic. */
const COMPARED = ['model', 'model-without-dhcp', 'kernel', 'floor'];

/** Attaches interfaces, sends traffic through them, and detaches them. Measures the time until out of service, and the time until deleted. */
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
    const compared = await measure(await trafficCase(setting.stage), setting.entrants, setting);
    return { cases: [...results, compared], facts: trafficFacts(compared, setting.entrants) };
  },
};

/** Attaches `count` interfaces concurrently, verifies, uses them, detaches all, verifies. */
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
      ...(work === 'attach' ? [useStep(stage, slots)] : []),
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
  return [detach, detach + (await drained(contender))];
}

/** A step that is not measured: each interface carries traffic. No one sends through a tap. */
function useStep(stage: Stage, slots: readonly Slot[]): Step {
  return {
    figures: [],
    work: async () => [],
    verify: (contender) => useInterfaces(stage, contender, slots),
  };
}

/** Detaches one interface that has carried no traffic, and one that has. Both are in each run, so that they compare. */
async function trafficCase(stage: Stage): Promise<Case> {
  const slots = await stage.slots(1);
  let before: Before;
  const attachStep: Step = {
    figures: [],
    work: async (contender) => {
      await contender.attach?.(slots);
      return [];
    },
    verify: (contender) => verifyAttached(contender, slots, before),
  };
  const detachStep = (figure: string): Step => ({
    figures: [figure],
    work: async (contender) => (await detachAll(contender, slots)).slice(0, 1),
    verify: (contender) => verifyGone(contender, slots, before),
  });
  return {
    name: 'veth-1-traffic',
    title: '1 veth, without and after traffic',
    can: ({ peer, contender }) => COMPARED.includes(peer.name) && contender.attach !== undefined,
    prepare: async (contender) => {
      before = await readState(contender);
    },
    steps: [attachStep, detachStep('detach unused'), attachStep, useStep(stage, slots), detachStep('detach used')],
  };
}

function trafficFacts({ contenders }: CaseResult, entrants: readonly Entrant[]): Fact[] {
  return contenders.flatMap(({ peer, figures }) => {
    const [unused, used] = [figures['detach unused'], figures['detach used']];
    if (unused === undefined || used === undefined) return [];
    const title = entrants.find((entrant) => entrant.peer.name === peer)?.peer.title ?? peer;
    return [
      { name: `detach after traffic / without traffic, ${title}`, value: used.median / unused.median, unit: 'x' },
    ];
  });
}
