import type { AttachOptions, Interface, Network } from '../../api/types.js';
import { run } from '../look.js';
import { timed } from '../measure.js';
import type { Fact, Scenario } from '../scenario.js';
import type { Slot } from '../stage.js';
import { quantile } from '../statistics.js';
import { VerificationError } from '../verify.js';

/** Pairs of attaches: one with, one without anti-spoofing. */
const PAIRS = 100;
const QUICK_PAIRS = 3;
/** Pairs before the measurement, for the JIT compiler. */
const WARM_UP_PAIRS = 100;

/**
 * What anti-spoofing adds to an attach, in pairs that alternate in one process. What every port has, such as the drop of
 * reserved frames, is in both.
 */
export const guard: Scenario = {
  name: 'guard',
  title: 'Attach with and without anti-spoofing, in pairs',
  run: async ({ stage, quick, progress, signal }) => {
    const [slot] = (await stage.slots(1)) as [Slot];
    const { netns, device } = slot;
    const places = { container: { netns, name: 'eth0', configure: true }, tap: { tap: device } };
    const network = await stage.host.createNetwork({
      ...{ name: 'guard', netblock: '172.22.0.0/16', provideDhcp: false },
    });
    const facts: Fact[] = [];
    try {
      const warmUp = quick ? 1 : WARM_UP_PAIRS;
      const count = warmUp + (quick ? QUICK_PAIRS : PAIRS);
      for (const [kind, place] of Object.entries(places)) {
        const pairs: Pair[] = [];
        while (pairs.length < count) {
          signal.throwIfAborted();
          progress(`guard: ${kind}, pair ${pairs.length + 1} of ${count}`);
          const pair: Pair = { guarded: 0, free: 0 };
          // The order alternates, too.
          for (const key of pairs.length % 2 === 0 ? (['guarded', 'free'] as const) : (['free', 'guarded'] as const)) {
            const options = { ...place, antiSpoofing: key === 'guarded' };
            pair[key] = await attachOnce(network, options, pairs.length === 0);
            await stage.host.drained();
          }
          pairs.push(pair);
        }
        facts.push(...factsOf(kind, pairs.slice(warmUp)));
      }
    } finally {
      await network.delete();
      await stage.host.drained();
    }
    return { cases: [], facts };
  },
};

/** Durations of two attaches, with and without anti-spoofing, in milliseconds. */
type Pair = { guarded: number; free: number };

function factsOf(kind: string, pairs: readonly Pair[]): Fact[] {
  const ratios = pairs.map(({ guarded, free }) => guarded / free);
  const median = (samples: number[]) => quantile(samples, 0.5);
  return [
    { name: `${kind} with anti-spoofing, median`, value: median(pairs.map(({ guarded }) => guarded)), unit: 'ms' },
    { name: `${kind} without anti-spoofing, median`, value: median(pairs.map(({ free }) => free)), unit: 'ms' },
    { name: `${kind}: ratio of a pair, median`, value: median(ratios), unit: '' },
    { name: `${kind}: ratio of a pair, lower quartile`, value: quantile(ratios, 0.25), unit: '' },
    { name: `${kind}: ratio of a pair, upper quartile`, value: quantile(ratios, 0.75), unit: '' },
  ];
}

/** Attaches an interface, and detaches it. Returns the duration of the attach in milliseconds. */
async function attachOnce(network: Network, options: AttachOptions, verify: boolean): Promise<number> {
  let nic: Interface | undefined;
  const took = await timed(async () => {
    nic = await network.attach(options);
    return undefined;
  });
  if (verify) await verifyGuard(nic as Interface);
  await nic?.detach();
  return took;
}

/** Checks with nft that the port is guarded, or not. */
async function verifyGuard({ info }: Interface): Promise<void> {
  const map = await run(['nft', 'list', 'map', 'bridge', 'vethwork', 'guarded']);
  if (map.includes(`"${info.device}"`) !== info.antiSpoofing) {
    throw new VerificationError(`${info.device} is ${info.antiSpoofing ? 'not ' : ''}in the map guarded`);
  }
}
