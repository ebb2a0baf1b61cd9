import type { CaseResult, Entrant, Limits } from './measure.js';

/** A value that is no comparison: only vethwork has it. */
export interface Fact {
  name: string;
  value: number;
  unit: string;
}

export interface ScenarioResult {
  name: string;
  title: string;
  /** What the cases differ in, for a curve; absent if they are not of one kind. */
  over?: string;
  cases: CaseResult[];
  facts: Fact[];
}

export interface Setting extends Limits {
  entrants: readonly Entrant[];
  /** A short look, as in continuous integration. */
  quick: boolean;
}

export interface Scenario {
  /** As `--scenario` names it. */
  readonly name: string;
  readonly title: string;
  readonly over?: string;
  run(setting: Setting): Promise<Pick<ScenarioResult, 'cases'> & Partial<Pick<ScenarioResult, 'facts'>>>;
}
