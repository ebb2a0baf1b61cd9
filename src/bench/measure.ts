import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import type { Contender, Elapsed, Peer } from './contender.js';
import { delayOf, RESOLUTION } from './delay.js';
import type { Stage } from './stage.js';
import { quantile, type Summary, summarise } from './statistics.js';
import { VerificationError } from './verify.js';

/** A contender with the peer it is of. */
export interface Entrant {
  peer: Peer;
  contender: Contender;
}

/** One part of a case: it is timed, then verified. */
export interface Step {
  /** One figure a duration that `work` gives. */
  figures: readonly string[];
  /** @param isFirst in the warm-up, which is not counted: for looks that take time themselves */
  work(contender: Contender, isFirst: boolean): Promise<number[]>;
  verify(contender: Contender): Promise<void>;
}

/** The same work, done by everybody who can. */
export interface Case {
  name: string;
  title: string;
  /** Where it is on the curve, if its scenario gives one. */
  at?: number;
  can(entrant: Entrant): boolean;
  /** Before the first step of each run; not timed. */
  prepare?(contender: Contender): Promise<void>;
  steps: readonly Step[];
}

export interface Figure extends Summary {
  /** CPU time of a run in milliseconds; only with the last figure of a step, whose whole it is. */
  cpu?: number;
  /** Of so many runs that it means something. */
  p99?: number;
}

export interface ContenderResult {
  peer: string;
  figures: Record<string, Figure>;
  /**
   * Delay of this process's event loop in milliseconds during the work: the median run's p99, and the worst. Beside those
   * who work in processes of their own it has nothing to do, and shows what the machine makes of their work.
   */
  eventLoop?: { p99: number; max: number };
  /** Why there are no figures. */
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
  /** For how long each contender warms up for a case, in milliseconds; at least once, and at most so many times. */
  warmUp: WarmUp;
  /** The same for one that stays, at its first case of a scenario: another has it do other work. */
  firstWarmUp: WarmUp;
  /** Those that stay and have had that. */
  warm: WeakSet<Peer>;
  /** A contender that has had this much time for a case, in milliseconds, is measured no further. */
  budget: number;
  signal: AbortSignal;
  progress: (text: string) => void;
  stage: Stage;
}

export interface WarmUp {
  milliseconds: number;
  runs: number;
}

/** However slow, a contender has so many runs. */
const LEAST_RUNS = 3;

/** The time that a piece of work took, by the contender's own clock if it has one. */
export async function timed(work: () => Promise<Elapsed>): Promise<number> {
  const start = performance.now();
  const own = await work();
  return own ?? performance.now() - start;
}

/**
 * Measures a case: each contender warms up, then one run each in turn (A B C, A B C, …), so that what else the
 * machine does meets all of them alike. A contender whose work does not stand up to the verification has no figures.
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
  /** Of each run. */
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
    return this.#failed !== undefined || (this.#runs >= LEAST_RUNS && this.#spent > budget);
  }

  /** Caches are filled and compilers have seen the code: what is measured is the steady state. */
  async warmUp(limits: Limits): Promise<boolean> {
    const { peer } = this.entrant;
    const { runs, milliseconds } = peer.stays && !limits.warm.has(peer) ? limits.firstWarmUp : limits.warmUp;
    limits.warm.add(peer);
    for (let run = 0; run === 0 || (run < runs && this.#spent < milliseconds); run++) {
      if (!(await this.run(true))) return false;
    }
    this.#spent = 0;
    return true;
  }

  /** @returns false if it failed: something may be left */
  async run(isFirst: boolean): Promise<boolean> {
    const { contender } = this.entrant;
    const start = performance.now();
    // All the while: the first delay that is seen after a reset begins at the beat before.
    this.#delay.enable();
    try {
      await this.wanted.prepare?.(contender);
      for (const step of this.wanted.steps) await this.#step(step, isFirst);
      if (!isFirst) this.#runs++;
    } catch (error) {
      const why = error instanceof VerificationError ? 'verification failed' : 'failed';
      this.#failed = `${why}: ${(error as Error).message}`;
    }
    this.#delay.disable();
    this.#spent += performance.now() - start;
    return this.#failed === undefined;
  }

  async #step(step: Step, isFirst: boolean): Promise<void> {
    const { contender } = this.entrant;
    const before = contender.cpu();
    this.#delay.reset();
    const durations = await step.work(contender, isFirst);
    if (!isFirst && this.#delay.count > 0) this.#delays.push(delayOf(this.#delay));
    const cpu = contender.cpu() - before;
    await step.verify(contender);
    if (isFirst) return;
    for (const [index, figure] of step.figures.entries()) {
      const samples = this.#samples.get(figure) ?? [];
      this.#samples.set(figure, [...samples, durations[index] as number]);
    }
    const last = step.figures.at(-1) as string;
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
