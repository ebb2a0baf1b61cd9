import type { Network } from '../../api/types.js';
import { run } from '../../demo/tools.js';
import type { Fact, Scenario } from '../scenario.js';
import { FLOATING_NETWORK, uplink } from '../stage.js';
import { quantile } from '../statistics.js';

const NETWORKS = 100;
const QUICK_NETWORKS = 10;

/** Program of a new process: measures import and `openHost`. */
const program = `
const [url, options] = process.argv.slice(1);
const begun = performance.now();
const { openHost } = await import(url);
const imported = performance.now();
const host = await openHost(JSON.parse(options));
const opened = performance.now();
await host.close();
console.log(JSON.stringify({ import: imported - begun, open: opened - imported }));
`;

/** Start-up time of a program: import, and `openHost` with its first reconciliation. */
export const startUp: Scenario = {
  name: 'start',
  title: 'Import and openHost',
  run: async (setting) => {
    const { stage, runs, quick, progress } = setting;
    const count = quick ? QUICK_NETWORKS : NETWORKS;
    const facts: Fact[] = [];
    const networks: Network[] = [];
    const sample = async (what: string) => {
      const samples: { import: number; open: number }[] = [];
      for (let run = 0; run < runs; run++) {
        progress(`start: ${what}, run ${run + 1} of ${runs}`);
        samples.push(await begin(stage.folder));
      }
      const median = (of: 'import' | 'open') =>
        quantile(
          samples.map((times) => times[of]),
          0.5,
        );
      if (networks.length === 0) facts.push({ name: 'import, median', value: median('import'), unit: 'ms' });
      facts.push({ name: `openHost with ${what}, median`, value: median('open'), unit: 'ms' });
    };
    try {
      await sample('no network');
      while (networks.length < count) {
        const options = { name: `many${networks.length}`, netblock: '172.23.0.0/24', provideDhcp: false };
        networks.push(await stage.host.createNetwork(options));
      }
      await sample(`${count} networks`);
    } finally {
      await Promise.all(networks.map((network) => network.delete()));
      await stage.host.drained();
    }
    return { cases: [], facts };
  },
};

/** Opens the host in a new process. Returns milliseconds. */
export async function begin(folder: string): Promise<{ import: number; open: number }> {
  const url = new URL('../../index.js', import.meta.url).href;
  const options = {
    stateDir: `${folder}/state`,
    egressNic: uplink.nic,
    floatingNetwork: FLOATING_NETWORK,
    dnsServers: [],
  };
  const output = await run([process.execPath, '--input-type=module', '-e', program, url, JSON.stringify(options)]);
  return JSON.parse(output) as { import: number; open: number };
}
