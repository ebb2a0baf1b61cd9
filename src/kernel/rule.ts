/** A policy routing rule (ip-rule(8)). */
export interface Rule {
  family?: 'inet' | 'inet6';
  /** Rules are tried in rising order of priority. */
  priority: number;
  table?: number;
  action?: 'lookup' | 'goto' | 'nop' | 'blackhole' | 'unreachable' | 'prohibit';
  /** Priority of the rule that `goto` goes on with. */
  goto?: number;
  source?: string;
  destination?: string;
  mark?: number;
  mask?: number;
  inputInterface?: string;
  outputInterface?: string;
  invert?: boolean;
}
