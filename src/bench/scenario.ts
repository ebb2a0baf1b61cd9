import type { CaseResult, Entrant, Limits } from './measure.js';

/** A single value without comparison, for example the memory of vethwork. */
export interface Fact {
  name: string;
  value: number;
  unit: string;
}

export interface ScenarioResult {
  name: string;
  title: string;
  /** Title of the x axis of the scenario's curve; absent if there is no curve. */
  over?: string;
  cases: CaseResult[];
  facts: Fact[];
}

export interface Setting extends Limits {
  entrants: readonly Entrant[];
  /** True for few and small cases, as in continuous integration. */
  quick: boolean;
}

export interface Scenario {
  /** Value of the option `--scenario`. */
  readonly name: string;
  readonly title: string;
  readonly over?: string;
  run(setting: Setting): Promise<Pick<ScenarioResult, 'cases'> & Partial<Pick<ScenarioResult, 'facts'>>>;
}
