import { setTimeout as sleep } from 'node:timers/promises';
import type { Network, RepairResult } from '../../api/types.js';
import { start } from '../../demo/tools.js';
import { repairText } from '../../format/repair.js';
import { type Case, measure, timed } from '../measure.js';
import type { Scenario } from '../scenario.js';
import type { Stage } from '../stage.js';
import { VerificationError } from '../verify.js';

const SIZES = [10, 100, 500];
const QUICK_SIZES = [10];
const CONCURRENCY = 10;
/** The kernel is settled if it has sent no notification for this time, in milliseconds. */
const SETTLE_TIME = 2000;

/** `host.reconcile()` without drift: it reads the complete state and writes nothing. */
export const reconcile: Scenario = {
  name: 'reconcile',
  title: 'Reconcile with nothing to do',
  over: 'networks',
  run: async (setting) => {
    const entrants = setting.entrants.filter(({ peer }) => peer.name === 'model');
    if (entrants.length === 0) return { cases: [] };
    const { host } = setting.stage;
    const networks: Network[] = [];
    const cases = [];
    try {
      for (const size of setting.quick ? QUICK_SIZES : SIZES) {
        while (networks.length < size) {
          setting.signal.throwIfAborted();
          setting.progress(`reconcile: ${networks.length} of ${size} networks`);
          const options = { netblock: '172.23.0.0/24', provideDhcp: false };
          const first = networks.length;
          const batch = Array.from({ length: Math.min(CONCURRENCY, size - networks.length) }, (_, n) =>
            host.createNetwork({ ...options, name: `many${first + n}` }),
          );
          networks.push(...(await Promise.all(batch)));
        }
        setting.progress('reconcile: waiting until the kernel is settled');
        await settled(setting.signal);
        cases.push(await measure(reconcileCase(setting.stage, size), entrants, setting));
      }
    } finally {
      setting.progress('reconcile: removing the networks');
      await Promise.all(networks.map((network) => network.delete()));
      await host.drained();
    }
    return { cases };
  },
};

/** Monitors that print each change of the host's network configuration. */
const listen = () => [start(['ip', 'monitor', 'link', 'address', 'route', 'rule']), start(['nft', 'monitor'])];

/** Waits until the kernel sends no notifications. For new links it sends some for seconds: IPv6 addresses, port states. */
async function settled(signal: AbortSignal): Promise<void> {
  for (let isQuiet = false; !isQuiet; ) {
    const monitors = listen();
    await sleep(SETTLE_TIME);
    isQuiet = (await Promise.all(monitors.map((monitor) => monitor.stop()))).join('') === '';
    signal.throwIfAborted();
  }
}

function reconcileCase({ host }: Stage, size: number): Case {
  let repairs: RepairResult[] = [];
  let written = '';
  return {
    name: `reconcile-${size}`,
    title: `${size} networks`,
    at: size,
    can: () => true,
    steps: [
      {
        figures: ['reconcile'],
        work: async () => {
          const monitors = listen();
          // Both monitors need time to subscribe.
          await sleep(50);
          const took = await timed(async () => {
            repairs = await host.reconcile();
            return undefined;
          });
          written = (await Promise.all(monitors.map((monitor) => monitor.stop()))).join('');
          return [took];
        },
        verify: async () => {
          if (repairs.length > 0) throw new VerificationError(`it repaired ${repairs.map(repairText).join('; ')}`);
          if (written !== '') throw new VerificationError(`it wrote ${written}`);
        },
      },
    ],
  };
}
