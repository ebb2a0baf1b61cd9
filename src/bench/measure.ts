import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import type { Contender, Elapsed, Peer } from './contender.js';
import { delayOf, RESOLUTION } from './delay.js';
import type { Stage } from './stage.js';
import { quantile, type Summary, summarise } from './statistics.js';
import { VerificationError } from './verify.js';

/** A peer with its open contender. */
export interface Entrant {
  peer: Peer;
  contender: Contender;
}

/** One step of a case: it is measured, then verified. */
export interface Step {
  /** Names of the figures, one for each duration that `work` returns. Empty for a step that is not measured. */
  figures: readonly string[];
  /** @param isWarmUp true in the warm-up, whose result is discarded: `work` may then verify intermediate states */
  work(contender: Contender, isWarmUp: boolean): Promise<number[]>;
  verify(contender: Contender): Promise<void>;
}

/** The same operation, performed by each contender that supports it. */
export interface Case {
  name: string;
  title: string;
  /** Position on the x axis of the scenario's curve, if it has one. */
  at?: number;
  can(entrant: Entrant): boolean;
  /** Runs before the first step of each run; not measured. */
  prepare?(contender: Contender): Promise<void>;
  steps: readonly Step[];
}

export interface Figure extends Summary {
  /** CPU time of the whole step in milliseconds, mean of the runs. Only the last figure of a step has it. */
  cpu?: number;
  /** 99th percentile in milliseconds, if there are enough runs for it. */
  p99?: number;
}

export interface ContenderResult {
  peer: string;
  figures: Record<string, Figure>;
  /**
   * Delay of this process's event loop in milliseconds during the operations: the median of the p99 of all runs, and the
   * maximum. For a contender in another process, this process is idle, and the delay shows the load of the machine.
   */
  eventLoop?: { p99: number; max: number };
  /** Error message, if the contender failed. It then has no figures. */
  failed?: string;
}

export interface CaseResult {
  name: string;
  title: string;
  at?: number;
  contenders: ContenderResult[];
}

export interface Limits {
  runs: number;
  /** Warm-up of each contender for a case: at least one run. */
  warmUp: WarmUp;
  /** Warm-up of a long-running contender for its first case of a scenario: each scenario runs different code. */
  firstWarmUp: WarmUp;
  /** Peers that have completed the first warm-up. */
  warm: WeakSet<Peer>;
  /** Maximum time of a contender for a case, in milliseconds. The measurement stops after it. */
  budget: number;
  signal: AbortSignal;
  progress: (text: string) => void;
  stage: Stage;
}

/** Limits of a warm-up: it ends with the first one that is reached. */
export interface WarmUp {
  milliseconds: number;
  runs: number;
}

/** Minimum number of runs; they are completed even if the budget is exceeded. */
const MIN_RUNS = 3;

/** Duration of an operation in milliseconds. The contender's own measurement has priority. */
export async function timed(work: () => Promise<Elapsed>): Promise<number> {
  const start = performance.now();
  const own = await work();
  return own ?? performance.now() - start;
}

/**
 * Measures a case. Each contender warms up. Then the contenders run alternately (A B C, A B C, …), so that other load of
 * the machine affects all of them equally. A contender that fails the verification has no figures.
 */
export async function measure(wanted: Case, entrants: readonly Entrant[], limits: Limits): Promise<CaseResult> {
  const runners = entrants.filter((entrant) => wanted.can(entrant)).map((entrant) => new Runner(wanted, entrant));
  for (let round = 0; round <= limits.runs; round++) {
    for (const runner of runners) {
      limits.signal.throwIfAborted();
      if (runner.isDone(limits)) continue;
      limits.progress(
        `${wanted.title}: ${round === 0 ? 'warm-up' : `run ${round} of ${limits.runs}`}, ${runner.title}`,
      );
      const succeeded = round === 0 ? await runner.warmUp(limits) : await runner.run(false);
      if (!succeeded) await limits.stage.clear();
    }
  }
  const { name, title, at } = wanted;
  return { name, title, ...(at !== undefined && { at }), contenders: runners.map((runner) => runner.result()) };
}

class Runner {
  readonly #samples = new Map<string, number[]>();
  readonly #cpu = new Map<string, number>();
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION });
  /** Event loop delays, one entry per step and run. */
  readonly #delays: { p99: number; max: number }[] = [];
  #runs = 0;
  #spent = 0;
  #failed: string | undefined;

  constructor(
    private readonly wanted: Case,
    private readonly entrant: Entrant,
  ) {}

  get title(): string {
    return this.entrant.peer.title;
  }

  isDone({ budget }: Limits): boolean {
    return this.#failed !== undefined || (this.#runs >= MIN_RUNS && this.#spent > budget);
  }

  /** Runs the case without recording, so that caches are filled and code is compiled. */
  async warmUp(limits: Limits): Promise<boolean> {
    const { peer } = this.entrant;
    const { runs, milliseconds } = peer.longRunning && !limits.warm.has(peer) ? limits.firstWarmUp : limits.warmUp;
    limits.warm.add(peer);
    for (let run = 0; run === 0 || (run < runs && this.#spent < milliseconds); run++) {
      if (!(await this.run(true))) return false;
    }
    this.#spent = 0;
    return true;
  }

  /** @returns false if it failed: objects may be left behind */
  async run(isWarmUp: boolean): Promise<boolean> {
    const { contender } = this.entrant;
    const start = performance.now();
    // Enabled during the whole run: the first delay after `reset` starts at the timer tick before it.
    this.#delay.enable();
    try {
      await this.wanted.prepare?.(contender);
      for (const step of this.wanted.steps) await this.#step(step, isWarmUp);
      if (!isWarmUp) this.#runs++;
    } catch (error) {
      const kind = error instanceof VerificationError ? 'verification failed' : 'failed';
      this.#failed = `${kind}: ${(error as Error).message}`;
    }
    this.#delay.disable();
    this.#spent += performance.now() - start;
    return this.#failed === undefined;
  }

  async #step(step: Step, isWarmUp: boolean): Promise<void> {
    const { contender } = this.entrant;
    const before = contender.cpu();
    this.#delay.reset();
    const durations = await step.work(contender, isWarmUp);
    if (!isWarmUp && step.figures.length > 0 && this.#delay.count > 0) this.#delays.push(delayOf(this.#delay));
    const cpu = contender.cpu() - before;
    await step.verify(contender);
    const last = step.figures.at(-1);
    if (isWarmUp || last === undefined) return;
    for (const [index, figure] of step.figures.entries()) {
      const samples = this.#samples.get(figure) ?? [];
      this.#samples.set(figure, [...samples, durations[index] as number]);
    }
    this.#cpu.set(last, (this.#cpu.get(last) ?? 0) + cpu);
  }

  result(): ContenderResult {
    const { peer } = this.entrant;
    if (this.#failed !== undefined) return { peer: peer.name, figures: {}, failed: this.#failed };
    const figures = [...this.#samples].map(([name, samples]): [string, Figure] => {
      const cpu = this.#cpu.get(name);
      return [name, { ...summarise(samples), ...(cpu !== undefined && { cpu: cpu / samples.length }) }];
    });
    const eventLoop = this.#delays.length > 0 && {
      p99: quantile(
        this.#delays.map(({ p99 }) => p99),
        0.5,
      ),
      max: Math.max(...this.#delays.map(({ max }) => max)),
    };
    return {
      peer: peer.name,
      figures: Object.fromEntries(figures),
      ...(eventLoop && { eventLoop }),
    };
  }
}
