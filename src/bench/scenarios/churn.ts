import { performance } from 'node:perf_hooks';
import type { Contender } from '../contender.js';
import { type CaseResult, type ContenderResult, type Entrant, timed } from '../measure.js';
import type { Fact, Scenario, Setting } from '../scenario.js';
import type { Slot } from '../stage.js';
import { withTail } from '../statistics.js';
import { useInterfaces } from '../use.js';
import { readState, verifyAttached, verifyGone } from '../verify.js';

/** Number of concurrent workers. */
const WORKERS = 8;
/** Number of turns of each contender, and the duration of a turn in milliseconds. */
const TURNS = 3;
const TURN = 3000;
const QUICK_TURN = 500;

/** Results of one contender. */
interface Tally {
  entrant: Entrant;
  /** Duration of each attach and of each detach, in milliseconds. */
  latencies: number[];
  detaches: number[];
  /** Total duration in milliseconds, including draining. */
  spent: number;
  failed?: string;
}

/** Eight workers attach interfaces, send traffic through them, and detach them without pause. */
export const churn: Scenario = {
  name: 'churn',
  title: `Churn: attach and detach without pause, ${WORKERS} workers`,
  run: async (setting) => {
    const slots = await setting.stage.slots(WORKERS);
    const able = setting.entrants.filter(({ contender }) => contender.attach && contender.detach);
    const tallies = able.map((entrant): Tally => ({ entrant, latencies: [], detaches: [], spent: 0 }));
    for (let turn = 0; turn < TURNS; turn++) {
      for (const tally of tallies.filter(({ failed }) => failed === undefined)) {
        setting.signal.throwIfAborted();
        setting.progress(`churn: turn ${turn + 1} of ${TURNS}, ${tally.entrant.peer.title}`);
        await runTurn(setting, tally, slots);
      }
    }
    const result: CaseResult = { name: 'churn', title: `${WORKERS} workers`, contenders: tallies.map(toResult) };
    return { cases: [result], facts: tallies.flatMap(toFacts) };
  },
};

/** Runs one turn of a contender: attach and detach until the time is over. */
async function runTurn({ stage, quick }: Setting, tally: Tally, slots: readonly Slot[]): Promise<void> {
  const { peer, contender } = tally.entrant;
  // A contender in another process runs one request at a time: each worker gets a process.
  const others: Contender[] = [];
  try {
    while (!peer.inProcess && others.length < slots.length - 1) others.push(await peer.open(stage));
    const workers = slots.map((slot, index) => ({ slot, contender: others[index - 1] ?? contender }));
    const before = await readState(contender);
    await Promise.all(workers.map((worker) => worker.contender.attach?.([worker.slot])));
    await verifyAttached(contender, slots, before);
    await useInterfaces(stage, contender, slots);
    await Promise.all(workers.map((worker) => worker.contender.detach?.([worker.slot])));
    await drainAll(workers);

    const start = performance.now();
    const end = start + (quick ? QUICK_TURN : TURN);
    await Promise.all(
      workers.map(async (worker) => {
        while (performance.now() < end) {
          tally.latencies.push(await timed(async () => worker.contender.attach?.([worker.slot])));
          await useInterfaces(stage, contender, [worker.slot]);
          tally.detaches.push(await timed(async () => worker.contender.detach?.([worker.slot])));
        }
      }),
    );
    await drainAll(workers);
    tally.spent += performance.now() - start;
    await verifyGone(contender, slots, before);
  } catch (error) {
    tally.failed = `failed: ${(error as Error).message}`;
    await stage.clear();
  } finally {
    for (const other of others) await other.close();
  }
}

async function drainAll(workers: readonly { contender: Contender }[]): Promise<void> {
  for (const contender of new Set(workers.map((worker) => worker.contender))) await contender.drain?.();
}

function toResult({ entrant, latencies, detaches, failed }: Tally): ContenderResult {
  const { name: peer } = entrant.peer;
  if (failed !== undefined) return { peer, figures: {}, failed };
  return { peer, figures: { attach: withTail(latencies), detach: withTail(detaches) } };
}

function toFacts({ entrant, latencies, spent, failed }: Tally): Fact[] {
  if (failed !== undefined) return [];
  return [
    {
      name: `attached and detached, ${entrant.peer.title}`,
      value: latencies.length / (spent / 1000),
      unit: 'per second',
    },
  ];
}
