import type { Machine } from './machine.js';
import type { ScenarioResult } from './scenario.js';

export interface BenchOptions {
  /** Names of scenarios and peers; all if absent. */
  scenarios?: readonly string[];
  peers?: readonly string[];
  /** Runs of each case, besides the warm-up. */
  runs: number;
  /** Time limit of a contender for a case, in milliseconds. It is measured no further after it and three runs. */
  budget: number;
  quick: boolean;
  signal: AbortSignal;
  /** Told what is being done. */
  progress: (text: string) => void;
}

export interface PeerReport {
  name: string;
  title: string;
  description: string;
  version?: string;
  /** Why it was not measured. */
  missing?: string;
}

/** Everything a run of the benchmark has found. */
export interface BenchReport {
  vethwork: string;
  /** ISO 8601. */
  date: string;
  machine: Machine;
  runs: number;
  quick: boolean;
  peers: PeerReport[];
  scenarios: ScenarioResult[];
}
