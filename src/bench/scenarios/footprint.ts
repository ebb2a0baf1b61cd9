import { readdir, readFile } from 'node:fs/promises';
import type { Network } from '../../api/types.js';
import { run } from '../look.js';
import type { Fact, Scenario } from '../scenario.js';

const NETWORKS = 200;
const QUICK_NETWORKS = 20;
const KIB = 1024;

/** Memory and file descriptors of idle networks. */
export const footprint: Scenario = {
  name: 'footprint',
  title: 'Memory and descriptors of networks',
  run: async ({ stage, quick, progress, signal }) => {
    const { host } = stage;
    const count = quick ? QUICK_NETWORKS : NETWORKS;
    const networks: Network[] = [];
    const make = async (provideDhcp: boolean) => {
      signal.throwIfAborted();
      progress(`footprint: ${networks.length} networks`);
      networks.push(
        await host.createNetwork({ name: `many${networks.length}`, netblock: '172.23.0.0/24', provideDhcp }),
      );
    };
    const facts: Fact[] = [];
    try {
      // The first networks also allocate memory that all networks share.
      for (let warm = 0; warm < 5; warm++) await make(false);
      const before = await ownFootprint();
      while (networks.length < count + 5) await make(false);
      const after = await ownFootprint();
      facts.push(
        { name: 'memory of this process, per network', value: (after.rss - before.rss) / count / KIB, unit: 'KiB' },
        {
          name: 'descriptors of this process, per network',
          value: (after.descriptors - before.descriptors) / count,
          unit: '',
        },
        { name: `memory of this process with ${networks.length} networks`, value: after.rss / KIB / KIB, unit: 'MiB' },
        { name: `descriptors of this process with ${networks.length} networks`, value: after.descriptors, unit: '' },
      );
      await make(true);
      const pid = (await run(['ip', 'netns', 'pids', networks.at(-1)?.uuid ?? ''])).trim();
      facts.push({
        name: 'memory of a network’s dnsmasq (proportional set size)',
        value: (await shareOf(pid)) / KIB,
        unit: 'MiB',
      });
    } finally {
      await Promise.all(networks.map((network) => network.delete()));
      await host.drained();
    }
    return { cases: [], facts };
  },
};

async function ownFootprint(): Promise<{ rss: number; descriptors: number }> {
  return { rss: process.memoryUsage.rss(), descriptors: (await readdir('/proc/self/fd')).length };
}

/** Proportional set size (Pss) of a process, in KiB: shared pages are divided by the number of processes that use them. */
async function shareOf(pid: string): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'latin1');
  return Number(/^Pss:\s*(\d+) kB$/m.exec(text)?.[1] ?? 0);
}
