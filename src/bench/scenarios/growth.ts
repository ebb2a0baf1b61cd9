import { type Kernel, openKernel } from '../../kernel/index.js';
import { measure } from '../measure.js';
import type { Fact, Scenario, Setting } from '../scenario.js';
import { quantile } from '../statistics.js';
import { networkCase } from './network.js';
import { begin } from './start.js';

/** Networks present. The first is the base of each ratio. */
const SIZES = [1, 100, 500, 1000];
const QUICK_SIZES = [1, 20];
/** Networks that are created, and namespaces that are read, concurrently. */
const CONCURRENCY = 8;
const MIB = 1024 * 1024;
/** Contenders whose growth is compared. */
const PEERS = ['model-without-dhcp', 'floor'];

/** What grows with the number of networks: create and delete one, reconcile all, openHost, memory. */
export const growth: Scenario = {
  name: 'growth',
  title: 'Create and delete a network where many exist',
  over: 'networks present',
  run: async (setting) => {
    const entrants = setting.entrants.filter(({ peer }) => PEERS.includes(peer.name));
    const population = new Population(setting);
    const kernel = openKernel();
    const cases = [];
    const facts: Fact[] = [];
    try {
      for (const size of setting.quick ? QUICK_SIZES : SIZES) {
        await population.growTo(size);
        const wanted = networkCase(1, false);
        const title = `a network with NAT where ${size} exist`;
        cases.push(await measure({ ...wanted, name: `growth-${size}`, title, at: size }, entrants, setting));
        facts.push(...(await factsOf(setting, population, kernel)));
      }
    } finally {
      setting.progress('growth: removing the networks');
      await population.close();
      await kernel.close();
    }
    return { cases, facts };
  },
};

async function factsOf({ stage, runs, progress }: Setting, population: Population, kernel: Kernel): Promise<Fact[]> {
  const { host } = stage;
  const what = `${population.size} networks`;
  const times = { read: [] as number[], reconcile: [] as number[], cpu: [] as number[], open: [] as number[] };
  // The first reconciliation after a change compares everything.
  const first = await timedWithCpu(() => host.reconcile());
  for (let run = 0; run < runs; run++) {
    progress(`growth: ${what}, run ${run + 1} of ${runs}`);
    times.read.push((await timedWithCpu(() => readAll(kernel, population.namespaces))).wall);
    const { wall, cpu } = await timedWithCpu(() => host.reconcile());
    times.reconcile.push(wall);
    times.cpu.push(cpu);
    times.open.push((await begin(stage.folder)).open);
  }
  const median = (list: readonly number[]) => quantile(list, 0.5);
  return [
    { name: `first reconciliation of ${what}`, value: first.wall, unit: 'ms' },
    { name: `a later one of ${what}, median`, value: median(times.reconcile), unit: 'ms' },
    { name: `CPU time of a later one of ${what}, median`, value: median(times.cpu), unit: 'ms' },
    { name: `reading ${what} by vethwork/kernel, median`, value: median(times.read), unit: 'ms' },
    { name: `openHost with ${what}, median`, value: median(times.open), unit: 'ms' },
    { name: `memory of this process with ${what}`, value: process.memoryUsage.rss() / MIB, unit: 'MiB' },
    { name: `JavaScript heap with ${what}`, value: process.memoryUsage().heapUsed / MIB, unit: 'MiB' },
  ];
}

/** In milliseconds. */
async function timedWithCpu(work: () => Promise<unknown>): Promise<{ wall: number; cpu: number }> {
  const [began, before] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(before);
  return { wall: performance.now() - began, cpu: (user + system) / 1000 };
}

/** Reads what a reconciliation reads in the namespaces of networks, with the public kernel layer. */
async function readAll(kernel: Kernel, namespaces: readonly string[]): Promise<void> {
  const remaining = namespaces.values();
  const read = async () => {
    for (const netns of remaining) {
      await Promise.all([
        ...(['link.list', 'address.list', 'route.list', 'rule.list', 'nftables.list'] as const).map((query) =>
          kernel.query(query, { netns }),
        ),
        kernel.query('neighbour.list', { netns, family: 'inet' }),
      ]);
    }
  };
  await Promise.all([
    kernel.query('link.list'),
    kernel.query('nftables.list'),
    kernel.query('neighbour.list', { family: 'bridge' }),
    ...Array.from({ length: CONCURRENCY }, read),
  ]);
}

/** Existing networks. */
class Population {
  readonly #networks: { uuid: string; delete(): Promise<void> }[] = [];

  constructor(private readonly setting: Setting) {}

  get size(): number {
    return this.#networks.length;
  }

  get namespaces(): string[] {
    return this.#networks.map(({ uuid }) => uuid);
  }

  async growTo(size: number): Promise<void> {
    const { stage, signal, progress } = this.setting;
    let next = this.size;
    const work = async () => {
      while (next < size) {
        signal.throwIfAborted();
        const options = { name: `many${next++}`, netblock: '172.23.0.0/24', provideDhcp: false };
        this.#networks.push(await stage.host.createNetwork(options));
        progress(`growth: ${this.size} of ${size} networks`);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, work));
  }

  async close(): Promise<void> {
    await Promise.all(this.#networks.map((network) => network.delete()));
    await this.setting.stage.host.drained();
  }
}
