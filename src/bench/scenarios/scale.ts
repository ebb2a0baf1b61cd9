import type { Network } from '../../api/types.js';
import { run } from '../look.js';
import { measure } from '../measure.js';
import type { Scenario, Setting } from '../scenario.js';
import { attachCase } from './attach.js';

const SIZES = [10, 100, 1000, 5000];
const QUICK_SIZES = [10, 100];
/** Interfaces per network: a bridge has at most 1,023 ports. */
const PER_NETWORK = 1000;
const CONCURRENCY = 100;
/** Namespace of the inner ends of the existing interfaces. */
const POPULATION_NETNS = 'population';

/** Attaches one interface where an increasing number of interfaces exists. */
export const scale: Scenario = {
  name: 'scale',
  title: 'Attach one interface where many exist',
  over: 'interfaces present',
  run: async (setting) => {
    const population = await Population.open(setting);
    const cases = [];
    try {
      for (const size of setting.quick ? QUICK_SIZES : SIZES) {
        await population.growTo(size);
        const base = await attachCase(setting.stage, 'attach', 1);
        const wanted = { ...base, name: `scale-${size}`, title: `1 veth where ${size} interfaces exist`, at: size };
        cases.push(await measure(wanted, setting.entrants, setting));
      }
    } finally {
      setting.progress('scale: removing the interfaces');
      await population.close();
    }
    return { cases };
  },
};

/** Existing interfaces. vethwork creates them, so that its records grow with the kernel's tables. */
class Population {
  readonly #networks: Network[] = [];
  #size = 0;

  private constructor(private readonly setting: Setting) {}

  static async open(setting: Setting): Promise<Population> {
    await run(['ip', 'netns', 'add', POPULATION_NETNS]);
    return new Population(setting);
  }

  async growTo(size: number): Promise<void> {
    const { stage, signal, progress } = this.setting;
    while (this.#size < size) {
      signal.throwIfAborted();
      progress(`scale: ${this.#size} of ${size} interfaces`);
      if (this.#size >= this.#networks.length * PER_NETWORK) {
        const options = { name: `population${this.#networks.length}`, netblock: '172.22.0.0/16', provideDhcp: false };
        this.#networks.push(await stage.host.createNetwork(options));
      }
      const network = this.#networks.at(-1) as Network;
      const count = Math.min(CONCURRENCY, size - this.#size, this.#networks.length * PER_NETWORK - this.#size);
      const names = Array.from({ length: count }, (_, index) => `e${this.#size + index}`);
      await Promise.all(names.map((name) => network.attach({ netns: POPULATION_NETNS, name })));
      this.#size += count;
    }
  }

  async close(): Promise<void> {
    for (const network of this.#networks) await network.delete();
    await this.setting.stage.host.drained();
    await run(['ip', 'netns', 'delete', POPULATION_NETNS]);
  }
}
