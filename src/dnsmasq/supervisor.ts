import { rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { backoffDelay } from '../util/backoff.js';
import { Semaphore } from '../util/semaphore.js';
import { checkConfig } from './config.js';
import { Declines } from './declines.js';
import { removeAbandonedLocks } from './exclusion.js';
import { DnsmasqInstance, type DnsmasqKernel } from './instance.js';
import { runtimePaths } from './paths.js';
import { isRunning, type ProcessIdentity } from './process.js';
import type { DnsmasqConfig } from './types.js';

export interface SupervisorOptions {
  /** The runtime folder of this state, from `runtimeRoot`. */
  root: string;
  /** How often to look whether the dnsmasqs still run, in milliseconds. Default 1000. */
  interval?: number;
  /** For how long to wait for another process that starts or stops a dnsmasq, in milliseconds. Default 60,000. */
  patience?: number;
  /** Told what the watch saw and did. */
  onEvent?: (event: SupervisorEvent) => void;
}

export type SupervisorEvent =
  | { event: 'died'; network: string; pid: number }
  | { event: 'restarted'; network: string; pid: number }
  /** A client has declined its address, as one that is in use. dnsmasq was told to give it out all the same. */
  | { event: 'declined'; network: string; address: string }
  | { event: 'failed'; network: string; error: unknown };

/**
 * Asked for the wish again once it has been carried out, and before a restart. It gives `undefined` when the network
 * is to have no dnsmasq any more. Several processes may write the same files: as each asks after its own write, the
 * last to write has seen what the others were told.
 */
export type CurrentConfig = () => Promise<DnsmasqConfig | undefined>;

interface Watched {
  instance: DnsmasqInstance;
  /** This network's work runs one after the other. */
  queue: Semaphore;
  wish: DnsmasqConfig | undefined;
  current: CurrentConfig | undefined;
  /** Counts the wishes, and the wishes carried out. */
  wished: number;
  done: number;
  process: ProcessIdentity | undefined;
  /** The last one whose death was told. */
  mourned: ProcessIdentity | undefined;
  /** Deaths and failed starts in a row, and when to try again. */
  failures: number;
  retryAt: number;
  declines: Declines;
}

/** Milliseconds until the next restart of a dnsmasq that keeps dying. */
const BACKOFF = { initial: 1000, maximum: 60_000 };
/** A dnsmasq that has run this long, in milliseconds, did not crash at its start. */
const SETTLED = 30_000;
/** Bound of the rounds in which a wish may change while it is carried out. */
const ROUNDS = 100;

/**
 * Keeps the dnsmasq of each network as wished. What it does for one network happens in order, and of the wishes that
 * wait only the last is carried out. dnsmasq outlives this process: the next one adopts it.
 */
export class DnsmasqSupervisor {
  readonly #networks = new Map<string, Watched>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(
    private readonly kernel: DnsmasqKernel,
    private readonly options: SupervisorOptions,
  ) {}

  /**
   * Makes a network's dnsmasq run as wished, and watches it. One that runs with this configuration is adopted, told of
   * changed reservations, and not restarted. Leases without reservation are freed.
   * @throws ValidationError, MissingProgramError, DnsmasqError with dnsmasq's own sentence, LockTimeoutError naming the
   * process that works on it
   */
  async start(config: DnsmasqConfig, current?: CurrentConfig): Promise<void> {
    await this.#carryOut(config, current, true);
    await this.#enqueue(this.#network(config.network), async ({ instance, wish }) => {
      if (wish !== undefined) await instance.releaseStale(wish);
    });
  }

  /** Makes the reservations so, without a restart; starts dnsmasq if there is none. @throws as `start` */
  update(config: DnsmasqConfig, current?: CurrentConfig): Promise<void> {
    return this.#carryOut(config, current, false);
  }

  /**
   * Frees the lease of an address, whoever holds it, and resolves when it is gone: the next owner can have it at once.
   * Call it after the `update` that took the reservation away. No lease is success.
   */
  release(server: Pick<DnsmasqConfig, 'network' | 'netns' | 'gateway'>, address: string): Promise<void> {
    return this.#enqueue(this.#network(server.network), ({ instance }) =>
      instance.release(server, (lease) => lease.address === address),
    );
  }

  /** Ends a network's dnsmasq, whoever started it, and removes its files. Nothing there is success. */
  async stop({ network, netns }: Pick<DnsmasqConfig, 'network' | 'netns'>): Promise<void> {
    const watched = this.#network(network);
    watched.wish = undefined;
    watched.current = undefined;
    watched.done = ++watched.wished;
    await this.#enqueue(watched, async (each) => {
      each.process = undefined;
      await each.instance.stop(netns);
    });
    if (watched.wish === undefined) this.#networks.delete(network);
  }

  /** The pid of a network's dnsmasq, or `undefined` if it does not run. */
  async pid({ network, netns }: Pick<DnsmasqConfig, 'network' | 'netns'>): Promise<number | undefined> {
    return (await this.#network(network).instance.find(netns))?.pid;
  }

  /** What `start` would have to do, in words; undefined if nothing. `files`: compare these, too. */
  lacking(config: DnsmasqConfig, { files }: { files: boolean }): Promise<string | undefined> {
    return this.#enqueue(this.#network(config.network), async ({ instance }) => {
      const running = await instance.find(config.netns);
      if (running === undefined) return 'start dnsmasq';
      if (!files || (await instance.isInStep(config, running))) return undefined;
      return 'write the configuration of dnsmasq';
    });
  }

  /** Removes the runtime folder of a state that has no networks any more. Does nothing while one has files in it. */
  async leave(): Promise<void> {
    const { root } = this.options;
    await removeAbandonedLocks(root);
    for (const folder of [root, dirname(root)]) await rmdir(folder).catch(() => undefined);
  }

  /** Waits for what is under way and stops watching. Leaves every dnsmasq running. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await Promise.all([...this.#networks.values()].map((watched) => this.#enqueue(watched, async () => undefined)));
  }

  #network(network: string): Watched {
    let watched = this.#networks.get(network);
    if (watched === undefined) {
      const instance = new DnsmasqInstance(
        this.kernel,
        network,
        runtimePaths(this.options.root, network),
        this.options.patience,
      );
      watched = {
        ...{ instance, queue: new Semaphore(1), wish: undefined, current: undefined, wished: 0, done: 0 },
        ...{ process: undefined, mourned: undefined, failures: 0, retryAt: 0, declines: new Declines() },
      };
      this.#networks.set(network, watched);
    }
    return watched;
  }

  #enqueue<Result>(watched: Watched, work: (watched: Watched) => Promise<Result>): Promise<Result> {
    return watched.queue.run(() => work(watched));
  }

  async #carryOut(config: DnsmasqConfig, current: CurrentConfig | undefined, restart: boolean): Promise<void> {
    checkConfig(config);
    const watched = this.#network(config.network);
    watched.wish = config;
    watched.current = current;
    const number = ++watched.wished;
    await this.#enqueue(watched, async () => {
      // A start is always looked at; an update only unless a later one has been carried out in its place.
      if (!restart && watched.done >= number) return;
      await this.#apply(watched, restart);
      watched.failures = 0;
      this.#watch();
    });
  }

  /** Carries out the latest wish, again if it has changed by then. */
  async #apply(watched: Watched, restart: boolean): Promise<void> {
    for (let round = 0; round < ROUNDS; round++) {
      const { wish, wished } = watched;
      if (wish === undefined) return;
      try {
        watched.process = await watched.instance.apply(wish, { restart });
      } catch (error) {
        if (await this.#isWanted(watched)) throw error;
      }
      watched.done = wished;
      if (watched.wished !== wished) continue;
      const now = watched.current === undefined ? wish : await watched.current();
      if (watched.wished !== wished) continue;
      if (now === undefined) {
        // Another process has deleted the network meanwhile, and with it what has just been made again.
        watched.process = undefined;
        watched.wish = undefined;
        await watched.instance.stop(wish.netns);
        return;
      }
      if (JSON.stringify(now) === JSON.stringify(wish)) return;
      watched.wish = now;
    }
  }

  async #isWanted({ current }: Watched): Promise<boolean> {
    return current === undefined || (await current()) !== undefined;
  }

  #watch(): void {
    if (this.#timer !== undefined || this.#closed) return;
    const look = () => {
      for (const watched of this.#networks.values()) void this.#look(watched);
    };
    this.#timer = setInterval(look, this.options.interval ?? 1000).unref();
  }

  /** Restarts a dnsmasq that has died, later and later if it keeps dying. */
  async #look(watched: Watched): Promise<void> {
    const { process, wish } = watched;
    if (wish === undefined || process === undefined || performance.now() < watched.retryAt) return;
    if (isRunning(process)) {
      if (performance.now() > watched.retryAt + SETTLED) watched.failures = 0;
      await this.#seeToDeclined(watched, process);
      return;
    }
    await this.#enqueue(watched, async () => {
      // While this waited for its turn, somebody else may have seen to it.
      if (this.#closed || watched.process !== process || performance.now() < watched.retryAt) return;
      await this.#revive(watched, process);
    });
  }

  /** Each address at once the first time, and ever more rarely if it is declined again and again. */
  async #seeToDeclined(watched: Watched, process: ProcessIdentity): Promise<void> {
    const { instance, declines } = watched;
    if (!instance.hasNews && !declines.isDue) return;
    if (declines.isBusy) return;
    declines.isBusy = true;
    try {
      const addresses = await this.#enqueue(watched, async () =>
        this.#closed || watched.process !== process
          ? []
          : instance.restoreDeclined(process, (declined) => declines.areDue(declined)),
      );
      declines.restored(addresses);
      for (const address of addresses) this.#tell({ event: 'declined', network: instance.network, address });
    } catch (error) {
      this.#tell({ event: 'failed', network: instance.network, error });
    } finally {
      declines.isBusy = false;
    }
  }

  async #revive(watched: Watched, dead: ProcessIdentity): Promise<void> {
    const { instance } = watched;
    const { network } = instance;
    try {
      const wish = await this.#latest(watched);
      if (wish === undefined) {
        this.#networks.delete(network);
        return;
      }
      if (watched.mourned !== dead) this.#tell({ event: 'died', network, pid: dead.pid });
      watched.mourned = dead;
      watched.failures++;
      watched.retryAt = performance.now() + backoffDelay(BACKOFF, watched.failures);
      watched.wish = wish;
      await this.#apply(watched, true);
      if (watched.process !== undefined) this.#tell({ event: 'restarted', network, pid: watched.process.pid });
    } catch (error) {
      this.#tell({ event: 'failed', network, error });
    }
  }

  /** What is wished of a dead dnsmasq by now; `undefined` if it is to stay dead. */
  async #latest({ instance, current, wish }: Watched): Promise<DnsmasqConfig | undefined> {
    if (await instance.isWithdrawn()) return undefined;
    return current === undefined ? wish : await current();
  }

  #tell(event: SupervisorEvent): void {
    this.options.onEvent?.(event);
  }
}
