import { rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { backoffDelay } from '../util/backoff.js';
import { guardCallback } from '../util/callback.js';
import { SharedRuns } from '../util/coalesce.js';
import { Semaphore } from '../util/semaphore.js';
import { checkConfig } from './config.js';
import { DeclineBackoff } from './declines.js';
import { removeStaleLocks } from './exclusion.js';
import {
  type ApplyOptions,
  additionOf,
  DnsmasqInstance,
  type DnsmasqKernel,
  type ReservationEdit,
  removalOf,
} from './instance.js';
import { runtimePaths } from './paths.js';
import { isRunning, type ProcessIdentity } from './process.js';
import type { DnsmasqConfig, Reservation } from './types.js';

export interface SupervisorOptions {
  /** Runtime folder of the host, from `runtimeRoot`. */
  root: string;
  /** Interval of the checks whether the dnsmasqs still run, in milliseconds. Default 1000. */
  interval?: number;
  /** How long to wait for another process that starts or stops a dnsmasq, in milliseconds. Default 60,000. */
  lockTimeout?: number;
  /** Called with what the checks found and did. */
  onEvent?: (event: SupervisorEvent) => void;
}

export type SupervisorEvent =
  | { event: 'died'; network: string; pid: number }
  | { event: 'restarted'; network: string; pid: number }
  /** A client has declined its address as one that is in use. dnsmasq was signalled to assign it nevertheless. */
  | { event: 'declined'; network: string; address: string }
  | { event: 'failed'; network: string; error: unknown };

/**
 * Returns the desired state at the time of the call, or undefined if the network is to have no dnsmasq. Called after
 * each reconciliation, and before a restart. Several processes may write the same files: as each calls it after its own
 * write, the last to write has seen the latest state.
 */
export type CurrentConfig = () => Promise<DnsmasqConfig | undefined>;

interface Watched {
  instance: DnsmasqInstance;
  /** Semaphore of one: work on this network runs in order. */
  queue: Semaphore;
  desired: DnsmasqConfig | undefined;
  current: CurrentConfig | undefined;
  /** Number of desired states that were given, and the number of the last one that was applied. */
  generation: number;
  observedGeneration: number;
  process: ProcessIdentity | undefined;
  /** The last process whose exit was reported. */
  lastReportedExit: ProcessIdentity | undefined;
  /** Consecutive exits and failed starts, and the time of the next attempt (`performance.now()`). */
  failures: number;
  retryAt: number;
  declines: DeclineBackoff;
  /** The next reload. It serves all who have changed a reservation by then. */
  reload: Promise<boolean> | undefined;
  /** Changes of reservations that wait for it, in their order. */
  edits: ReservationEdit[];
  /** Time before which it does not happen (`performance.now()`). */
  reloadAt: number;
  /** Addresses whose leases the next run of releases frees. */
  released: Set<string>;
}

/** Pause before the next restart of a dnsmasq that keeps exiting, in milliseconds. */
const BACKOFF = { initial: 1000, maximum: 60_000 };
/** Run time after which a dnsmasq counts as stable, in milliseconds. */
const STABLE_MS = 30_000;
/**
 * Pause after a reload, in milliseconds. A reload takes dnsmasq up to 3.4 ms with 1,000 reservations, and 31 ms if all
 * have leases, on a CPU that the burst needs as well. Changes one after the other are further apart than 1 ms, so that
 * none waits.
 * @param changes number of changes that it served
 */
const reloadPause = (changes: number) => (changes < 2 ? 1 : Math.min(2 * changes, 8));
/** Most rounds of one reconciliation, during which the desired state may change. */
const MAX_ROUNDS = 100;

/**
 * Keeps each network's dnsmasq in its desired state. Work on one network is sequential, and of several waiting desired
 * states only the last is applied. dnsmasq outlives this process; the next process adopts it.
 */
export class DnsmasqSupervisor {
  readonly #networks = new Map<string, Watched>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  readonly #onEvent: (event: SupervisorEvent) => void;
  readonly #releases = new SharedRuns();

  constructor(
    private readonly kernel: DnsmasqKernel,
    private readonly options: SupervisorOptions,
  ) {
    this.#onEvent = guardCallback('onEvent', options.onEvent ?? (() => undefined));
  }

  /**
   * Makes a network's dnsmasq run with a configuration, and supervises it. A dnsmasq that runs with this configuration
   * is adopted, gets changed reservations, and is not restarted. Leases without reservation are freed.
   * @throws ValidationError, MissingProgramError, DnsmasqError with dnsmasq's own message, LockTimeoutError with the
   *   holder
   * @param whenReady resolves when the namespace, which is being created, is ready for dnsmasq
   */
  async start(config: DnsmasqConfig, current?: CurrentConfig, whenReady?: Promise<unknown>): Promise<void> {
    await this.#reconcile(config, current, { restart: true, whenReady });
    await this.#enqueue(this.#network(config.network), async ({ instance, desired }) => {
      if (desired !== undefined) await instance.releaseStale(desired);
    });
  }

  /** Applies reservations without a restart. Starts dnsmasq if it does not run. @throws as `start` */
  update(config: DnsmasqConfig, current?: CurrentConfig): Promise<void> {
    return this.#reconcile(config, current, { restart: false });
  }

  /**
   * Adds one reservation, whose record must be committed. The cost does not depend on the number of reservations. Calls
   * that are made together share a reload. Those of a burst share a few, for which they wait some milliseconds at most.
   * @returns false if this process does not supervise a running dnsmasq of the network; `update` is needed then
   * @throws ValidationError, StoreError
   */
  reserve(network: string, reservation: Reservation): Promise<boolean> {
    return this.#edit(network, (desired) => [additionOf(reservation, desired)]);
  }

  /** Replaces one reservation, for example by one with another host name. @returns as `reserve` */
  replace(network: string, reservation: Reservation): Promise<boolean> {
    return this.#edit(network, (desired) => [removalOf(reservation), additionOf(reservation, desired)]);
  }

  /** Removes one reservation, as `reserve` adds it. Succeeds if there is none. */
  async unreserve(network: string, reservation: Pick<Reservation, 'mac' | 'address'>): Promise<boolean> {
    const isDone = await this.#edit(network, () => [removalOf(reservation)]);
    const watched = this.#networks.get(network);
    if (watched?.desired !== undefined && watched.instance.isWorthCompacting) {
      this.#compact(watched).catch((error) => this.#emit({ event: 'failed', network, error }));
    }
    return isDone;
  }

  /** Changes the files and reloads, at once or in a burst later, together with the other changes until then. */
  async #edit(network: string, edit: (desired: DnsmasqConfig) => ReservationEdit[]): Promise<boolean> {
    const watched = this.#networks.get(network);
    const { process, desired, instance } = watched ?? {};
    if (watched === undefined || process === undefined || desired === undefined || instance === undefined) return false;
    // `reload` finds out whether the process still runs.
    if (instance.hasLostFiles(desired)) return false;
    watched.edits.push(...edit(desired));
    const pause = watched.reloadAt - performance.now();
    watched.reload ??= (pause > 0 ? sleep(pause) : Promise.resolve()).then(() => this.#reload(watched));
    return watched.reload;
  }

  /** Reloads for all changes until now. The changes of a burst wait for the next reload. */
  #reload(watched: Watched): boolean {
    watched.reload = undefined;
    watched.reloadAt = performance.now() + reloadPause(watched.edits.length);
    try {
      return watched.process !== undefined && this.#write(watched) && watched.instance.reload(watched.process);
    } finally {
      // After an error, the callers know of it.
      watched.edits = [];
    }
  }

  /** Writes what waits for the next reload. @returns false if a file does not exist */
  #write(watched: Watched): boolean {
    const { edits, instance } = watched;
    if (edits.length === 0) return true;
    const isWritten = instance.edit(edits);
    if (isWritten) watched.edits = [];
    return isWritten;
  }

  /** Writes the files without what was removed. */
  #compact(watched: Watched): Promise<void> {
    return this.#enqueue(watched, async ({ current, instance }) => {
      if (this.#closed || current === undefined || !instance.isWorthCompacting) return;
      this.#write(watched);
      const seen = instance.lines();
      watched.desired = await current();
      await this.#apply(watched, { restart: false, seen });
    });
  }

  /**
   * Releases the lease of an address for any client. Resolves when it is gone, so that the next owner can have it at
   * once. Call it after the reservation was removed. Succeeds if there is no lease. Concurrent calls share the work.
   */
  async release(server: Pick<DnsmasqConfig, 'network' | 'netns' | 'gateway'>, address: string): Promise<void> {
    const watched = this.#network(server.network);
    if (!(await watched.instance.hasLease(address))) return;
    watched.released.add(address);
    await this.#releases.run(server.network, () => {
      const addresses = watched.released;
      watched.released = new Set();
      return this.#enqueue(watched, ({ instance }) =>
        instance.release(server, (lease) => addresses.has(lease.address)),
      );
    });
  }

  /** Stops a network's dnsmasq, also if another process started it, and removes its files. Succeeds if nothing exists. */
  async stop({ network, netns }: Pick<DnsmasqConfig, 'network' | 'netns'>): Promise<void> {
    const watched = this.#network(network);
    watched.desired = undefined;
    watched.current = undefined;
    watched.observedGeneration = ++watched.generation;
    await this.#enqueue(watched, async (each) => {
      each.process = undefined;
      await each.instance.stop(netns);
    });
    if (watched.desired === undefined) this.#networks.delete(network);
  }

  /** Pid of a network's dnsmasq. Undefined if it does not run. */
  async pid({ network, netns }: Pick<DnsmasqConfig, 'network' | 'netns'>): Promise<number | undefined> {
    return (await this.#network(network).instance.find(netns))?.pid;
  }

  /** Describes what `start` would do. Undefined if nothing. `files`: also compare the files. */
  lacking(config: DnsmasqConfig, { files }: { files: boolean }): Promise<string | undefined> {
    return this.#enqueue(this.#network(config.network), async ({ instance }) => {
      const running = await instance.find(config.netns);
      if (running === undefined) return 'start dnsmasq';
      if (instance.hasLostFiles(config)) return 'restart dnsmasq, whose files were removed';
      if (!files || (await instance.isUpToDate(config, running))) return undefined;
      return 'write the configuration of dnsmasq';
    });
  }

  /** Removes the runtime folder of a host without networks. Does nothing while a network has files. */
  async leave(): Promise<void> {
    const { root } = this.options;
    await removeStaleLocks(root);
    for (const folder of [root, dirname(root)]) await rmdir(folder).catch(() => undefined);
  }

  /** Waits for running work and ends the supervision. Every dnsmasq keeps running. */
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
        this.options.lockTimeout,
      );
      watched = {
        ...{
          instance,
          queue: new Semaphore(1),
          desired: undefined,
          current: undefined,
          generation: 0,
          observedGeneration: 0,
        },
        ...{ process: undefined, lastReportedExit: undefined, failures: 0, retryAt: 0, declines: new DeclineBackoff() },
        ...{ reload: undefined, edits: [], reloadAt: 0, released: new Set<string>() },
      };
      this.#networks.set(network, watched);
    }
    return watched;
  }

  #enqueue<Result>(watched: Watched, work: (watched: Watched) => Promise<Result>): Promise<Result> {
    return watched.queue.run(() => work(watched));
  }

  async #reconcile(
    config: DnsmasqConfig,
    current: CurrentConfig | undefined,
    options: Omit<ApplyOptions, 'seen'>,
  ): Promise<void> {
    checkConfig(config);
    const watched = this.#network(config.network);
    watched.desired = config;
    watched.current = current;
    const number = ++watched.generation;
    await this.#enqueue(watched, async () => {
      // A start is always checked. An update is skipped if a later one has been applied.
      if (!options.restart && watched.observedGeneration >= number) return;
      await this.#apply(watched, options);
      watched.failures = 0;
      this.#watch();
    });
  }

  /**
   * Applies the latest desired state, and again if it has changed by then.
   * @param options.seen lines that the files had before `desired` was read; default: none
   */
  async #apply(watched: Watched, { seen, ...options }: ApplyOptions): Promise<void> {
    let known: ReadonlySet<string> = seen ?? new Set();
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const { desired, generation, current, instance } = watched;
      if (desired === undefined) return;
      // Otherwise a line that the desired state has already would be added again.
      this.#write(watched);
      try {
        watched.process = await instance.apply(desired, { ...options, seen: current && known });
      } catch (error) {
        if (await this.#isWanted(watched)) throw error;
      }
      watched.observedGeneration = generation;
      // A new desired state may be older than the lines.
      known = new Set();
      if (watched.generation !== generation) continue;
      const lines = instance.lines();
      const now = current === undefined ? desired : await current();
      if (watched.generation !== generation) continue;
      if (now === undefined) {
        // Another process has deleted the network meanwhile. What was just created is removed.
        watched.process = undefined;
        watched.desired = undefined;
        await instance.stop(desired.netns);
        return;
      }
      if (JSON.stringify(now) === JSON.stringify(desired) && !instance.hasStale(now, lines)) return;
      watched.desired = now;
      known = lines;
    }
  }

  async #isWanted({ current }: Watched): Promise<boolean> {
    return current === undefined || (await current()) !== undefined;
  }

  #watch(): void {
    if (this.#timer !== undefined || this.#closed) return;
    const check = () => {
      for (const watched of this.#networks.values()) void this.#check(watched);
    };
    this.#timer = setInterval(check, this.options.interval ?? 1000).unref();
  }

  /** Restarts a dnsmasq that has exited or whose files were removed, with exponential backoff. */
  async #check(watched: Watched): Promise<void> {
    const { process, desired, instance } = watched;
    if (desired === undefined || process === undefined || performance.now() < watched.retryAt) return;
    if (isRunning(process)) {
      if (performance.now() > watched.retryAt + STABLE_MS) watched.failures = 0;
      if (!instance.hasLostFiles(desired)) return this.#restoreDeclined(watched, process);
    }
    await this.#enqueue(watched, async () => {
      // Another call may have handled it while this one was queued.
      if (this.#closed || watched.process !== process || performance.now() < watched.retryAt) return;
      if (isRunning(process) && !instance.hasLostFiles(desired)) return;
      await this.#restart(watched, process);
    });
  }

  /** Restores declined addresses: at once the first time, with exponential backoff for repeated declines. */
  async #restoreDeclined(watched: Watched, process: ProcessIdentity): Promise<void> {
    const { instance, declines } = watched;
    if (!instance.hasNewLines && !declines.isDue) return;
    if (declines.isBusy) return;
    declines.isBusy = true;
    try {
      const addresses = await this.#enqueue(watched, async () =>
        this.#closed || watched.process !== process
          ? []
          : instance.restoreDeclined(process, (declined) => declines.areDue(declined)),
      );
      declines.restored(addresses);
      for (const address of addresses) this.#emit({ event: 'declined', network: instance.network, address });
    } catch (error) {
      this.#emit({ event: 'failed', network: instance.network, error });
    } finally {
      declines.isBusy = false;
    }
  }

  async #restart(watched: Watched, old: ProcessIdentity): Promise<void> {
    const { instance } = watched;
    const { network } = instance;
    try {
      const desired = await this.#latest(watched);
      if (desired === undefined) {
        this.#networks.delete(network);
        return;
      }
      if (watched.lastReportedExit !== old && !isRunning(old)) this.#emit({ event: 'died', network, pid: old.pid });
      watched.lastReportedExit = old;
      watched.failures++;
      watched.retryAt = performance.now() + backoffDelay(BACKOFF, watched.failures);
      watched.desired = desired;
      await this.#apply(watched, { restart: true });
      if (watched.process !== undefined) this.#emit({ event: 'restarted', network, pid: watched.process.pid });
    } catch (error) {
      this.#emit({ event: 'failed', network, error });
    }
  }

  /**
   * The desired state of a dnsmasq that is to be restarted. Undefined if it is not to run any more. Missing files do not
   * tell: another process has stopped it, or the runtime folder was removed. The records do.
   */
  async #latest({ instance, current, desired }: Watched): Promise<DnsmasqConfig | undefined> {
    if (current !== undefined) return current();
    return instance.isStopped() ? undefined : desired;
  }

  #emit(event: SupervisorEvent): void {
    this.#onEvent(event);
  }
}
