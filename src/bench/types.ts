import type { Machine } from './machine.js';
import type { ScenarioResult } from './scenario.js';

export interface BenchOptions {
  /** Names of scenarios and peers; all if absent. */
  scenarios?: readonly string[];
  peers?: readonly string[];
  /** Runs of each case, besides the warm-up. */
  runs: number;
  /** Time limit of a contender for a case, in milliseconds. At least three runs are completed. */
  budget: number;
  quick: boolean;
  signal: AbortSignal;
  /** Receives progress messages. */
  progress: (text: string) => void;
}

export interface PeerReport {
  name: string;
  title: string;
  description: string;
  version?: string;
  /** What is missing, if the peer was not measured. */
  missing?: string;
}

/** Results of a benchmark run. */
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
