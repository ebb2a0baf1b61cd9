/** A process of concurrency.ts: performs concurrent operations on networks that other processes change too. */

import type { HostOptions } from '../../src/api/types.js';
import { type Host, openHost } from '../../src/index.js';
import { describeError, isOrdinary } from './actor.js';
import { Random } from './random.js';

/** One call with its start and end (milliseconds since 1970) and its result. */
export interface Call {
  call: 'create' | 'attach' | 'detach' | 'float' | 'defloat' | 'route' | 'unroute' | 'delete';
  network: string;
  interface?: string;
  address?: string;
  /** The interface was claimed from a pool. */
  isSlot?: boolean;
  began: number;
  ended: number;
  /** Code of the error, if it failed. */
  failed?: string;
}

export interface Work {
  options: HostOptions;
  seed: number;
  /** Prefix of the names of this process. */
  letter: string;
  /** Prefix of the networks' UUIDs. */
  prefix: string;
  /** Number of concurrent calls. */
  width: number;
  count: number;
}

export type ChildMessage = { event: 'ready' } | { event: 'surprise'; text: string } | { event: 'done'; calls: Call[] };

const say = (report: ChildMessage) => process.send?.(report);
const now = () => performance.timeOrigin + performance.now();

class Worker {
  readonly calls: Call[] = [];
  /** Interfaces and addresses that this process has created and not yet chosen for another operation. */
  readonly #interfaces: { network: string; uuid: string; floats: boolean }[] = [];
  readonly #routed: { network: string; address: string }[] = [];
  #taps = 0;

  constructor(
    private readonly host: Host,
    private readonly work: Work,
    private readonly random: Random,
  ) {}

  async step(): Promise<void> {
    const { random, host } = this;
    const network = random.pick(await host.listNetworks())?.uuid;
    if (network === undefined) return this.#create();
    const chance = random.integer(0, 99);
    if (chance < 40) return this.#attach(network, random.chance(0.4));
    if (chance < 62) return this.#detach();
    if (chance < 78) return this.#toggleFloating();
    if (chance < 88) return this.#route(network);
    if (chance < 98 || random.chance(0.5)) return this.#unroute();
    await this.#call({ call: 'delete', network }, async () => {
      await (await this.host.getNetwork(network)).delete();
      return {};
    });
    await this.#create();
  }

  async #create(): Promise<void> {
    const { random, work } = this;
    const uuid = `${work.prefix}-0000-4000-8000-${random.fork().toString(16).padStart(12, '0')}`;
    await this.#call({ call: 'create', network: uuid }, async () => {
      await this.host.createNetwork({
        name: `network ${uuid}`,
        netblock: '10.5.0.0/22',
        uuid,
        provideDhcp: random.chance(0.5),
      });
      return {};
    });
  }

  async #attach(network: string, float: boolean): Promise<void> {
    const tap = `${this.work.letter}${this.#taps++}`;
    const made = await this.#call({ call: 'attach', network }, async () => {
      const found = await this.host.getNetwork(network);
      const [pool] = this.random.chance(0.5) ? await found.listPools() : [];
      const nic = await found.attach(pool === undefined ? { tap } : { slot: pool.uuid });
      return { interface: nic.uuid, address: nic.info.address, isSlot: pool !== undefined };
    });
    if (made.failed !== undefined) return;
    const uuid = made.interface as string;
    if (float) await this.#float(network, uuid);
    this.#interfaces.push({ network, uuid, floats: float });
  }

  #float(network: string, uuid: string): Promise<Call> {
    return this.#call({ call: 'float', network, interface: uuid }, async () => ({
      address: await (await this.host.getInterface(uuid)).float(),
    }));
  }

  async #detach(): Promise<void> {
    const one = this.#take(this.#interfaces);
    if (one === undefined) return;
    const { network, uuid } = one;
    await this.#call({ call: 'detach', network, interface: uuid }, async () => {
      await (await this.host.getInterface(uuid)).detach();
      return {};
    });
  }

  async #toggleFloating(): Promise<void> {
    const one = this.#take(this.#interfaces);
    if (one === undefined) return;
    const { network, uuid, floats } = one;
    if (floats) {
      await this.#call({ call: 'defloat', network, interface: uuid }, async () => {
        await (await this.host.getInterface(uuid)).defloat();
        return {};
      });
    } else await this.#float(network, uuid);
    this.#interfaces.push({ ...one, floats: !floats });
  }

  async #route(network: string): Promise<void> {
    const made = await this.#call({ call: 'route', network }, async () => ({
      address: await (await this.host.getNetwork(network)).routeAddress(),
    }));
    if (made.failed === undefined) this.#routed.push({ network, address: made.address as string });
  }

  async #unroute(): Promise<void> {
    const one = this.#take(this.#routed);
    if (one === undefined) return;
    await this.#call({ call: 'unroute', ...one }, async () => {
      await (await this.host.getNetwork(one.network)).unrouteAddress(one.address);
      return {};
    });
  }

  #take<Item>(items: Item[]): Item | undefined {
    return items.splice(this.random.integer(0, items.length - 1), 1)[0];
  }

  async #call(
    call: Omit<Call, 'began' | 'ended'>,
    work: () => Promise<Pick<Call, 'interface' | 'address' | 'isSlot'>>,
  ): Promise<Call> {
    const began = now();
    const done = await work().catch((error) => {
      if (!isOrdinary(error)) say({ event: 'surprise', text: `${call.call}: ${describeError(error)}` });
      return { failed: String((error as { code?: string }).code) };
    });
    const report: Call = { ...call, ...done, began, ended: now() };
    this.calls.push(report);
    return report;
  }
}

process.on('message', async (work: Work) => {
  const host = await openHost({ ...work.options, repair: false });
  const worker = new Worker(host, work, new Random(work.seed));
  let left = work.count;
  const goOn = async () => {
    while (left-- > 0) await worker.step();
  };
  await Promise.all(Array.from({ length: work.width }, goOn));
  await host.drained();
  await host.close();
  say({ event: 'done', calls: worker.calls });
  process.disconnect();
});
say({ event: 'ready' });
