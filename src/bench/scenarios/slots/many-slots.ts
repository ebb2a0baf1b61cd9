import type { Host, Network } from '../../../api/types.js';
import type { CaseResult } from '../../measure.js';
import type { Fact, Setting } from '../../scenario.js';
import { quantile } from '../../statistics.js';
import { comparison, distribution, memoryInfo, timedRelease } from './common.js';

/** Numbers of free slots beside which claims are measured. A bridge takes 1,023 ports. */
const STEPS = { full: [50, 5000, 10_000], quick: [5, 10], perNetwork: 1000 };
const CLAIMS = { full: 300, quick: 5 };

/** Creation of many slots in several networks, their memory, and claims beside them. */
export async function manySlotsFacts(
  { quick, progress, signal }: Setting,
  host: Host,
): Promise<{ facts: Fact[]; curve: CaseResult[] }> {
  const networks: Network[] = [];
  const facts: Fact[] = [];
  const curve: CaseResult[] = [];
  const medians: number[] = [];
  const first = { slab: memoryInfo('Slab'), available: memoryInfo('MemAvailable') };
  let made = 0;
  let spent = 0;
  /** Creates slots in the present network, or in another one. */
  const grow = async (count: number) => {
    const began = performance.now();
    const room = STEPS.perNetwork - (made % STEPS.perNetwork);
    if (made % STEPS.perNetwork === 0) {
      const netblock = `172.${25 + networks.length}.0.0/16`;
      networks.push(await host.createNetwork({ name: `many${networks.length}`, netblock, provideDhcp: false }));
    }
    const size = Math.min(count, room);
    const min = (made % STEPS.perNetwork) + size;
    await networks.at(-1)?.prepare({ kind: 'tap', min, max: STEPS.perNetwork });
    made += size;
    spent += performance.now() - began;
  };
  try {
    for (const step of quick ? STEPS.quick : STEPS.full) {
      while (made < step) {
        signal.throwIfAborted();
        progress(`slots: ${made} of ${step} slots`);
        await grow(step - made);
      }
      const [network] = networks as [Network];
      const pool = await network.getPool('tap');
      const claims: number[] = [];
      for (let round = 0; round < 2 * (quick ? CLAIMS.quick : CLAIMS.full); round++) {
        signal.throwIfAborted();
        claims.push(await timedRelease(() => network.attach({ slot: pool })));
      }
      claims.splice(0, claims.length / 2);
      medians.push(quantile(claims, 0.5));
      facts.push(...distribution(`claim beside ${step} slots, not flushed`, claims));
      curve.push(comparison(`slots-${step}`, `Claim beside ${step} slots`, { claim: claims }, step));
    }
    const per = (bytes: number) => bytes / made / 1024;
    facts.push(
      {
        name: 'claim beside 5,000 slots against 50',
        value: (medians[1] ?? Number.NaN) / (medians[0] ?? Number.NaN),
        unit: '',
      },
      { name: `${made} slots created`, value: (made * 1000) / spent, unit: 'per second' },
      { name: 'memory of the kernel for a slot (slab)', value: per(memoryInfo('Slab') - first.slab), unit: 'KiB' },
      {
        name: 'available memory that a slot takes, with its records',
        value: per(first.available - memoryInfo('MemAvailable')),
        unit: 'KiB',
      },
    );
    return { facts, curve };
  } finally {
    progress(`slots: removing ${made} slots`);
    for (const network of networks) await network.delete();
    await host.drained();
  }
}
