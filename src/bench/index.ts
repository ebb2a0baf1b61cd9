import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { ValidationError } from '../errors.js';
import { guardCallback } from '../util/callback.js';
import { measureInArena } from './arena.js';
import type { WarmUp } from './measure.js';
import { peers } from './peers/index.js';
import { scenarios } from './scenarios/index.js';
import type { BenchOptions, BenchReport } from './types.js';

export { BenchError } from './arena.js';
export { drawBench, requirePlotter } from './report/svg.js';
export { formatBench } from './report/table.js';
export type { BenchOptions, BenchReport } from './types.js';

/** Warm-up of a contender for a case. The first warm-up of a long-running contender is longer, for the JIT compiler. */
const WARM_UP: WarmUp = { milliseconds: 500, runs: 20 };
const FIRST_WARM_UP: WarmUp = { milliseconds: 15_000, runs: 200 };
const COLD: WarmUp = { milliseconds: 0, runs: 1 };
/** One day, in milliseconds. */
const MAX_BUDGET = 86_400_000;

/** Not in /tmp, which may be a tmpfs: the benchmark has to include the cost of writes to a disk. */
const FOLDER = '/var/tmp/vethwork-bench-';

/**
 * Measures vethwork and the peers.
 * @throws ValidationError for an unknown scenario or peer; PrivilegeError; BenchError; the signal's reason
 */
export async function runBench(options: BenchOptions): Promise<BenchReport> {
  const { runs, budget, quick, signal } = options;
  const progress = guardCallback('progress', options.progress);
  if (!Number.isInteger(runs) || runs < 1 || runs > 10_000)
    throw new ValidationError('runs', runs, 'a whole number from 1 to 10000');
  if (!(budget > 0 && budget <= MAX_BUDGET)) {
    throw new ValidationError('budget', budget, `milliseconds, more than 0 and at most ${MAX_BUDGET}`);
  }
  const inner = {
    scenarios: choose('scenario', options.scenarios, scenarios),
    peers: choose('peer', options.peers, peers),
    runs,
    quick,
    budget,
    warmUp: quick ? COLD : WARM_UP,
    firstWarmUp: quick ? COLD : FIRST_WARM_UP,
  };
  const folder = await mkdtemp(FOLDER);
  try {
    const date = new Date().toISOString();
    const report = await measureInArena({ ...inner, folder }, { signal, progress });
    return { vethwork: version(), date, ...report };
  } finally {
    // Daemons that are exiting, such as dnsmasq, may still create files.
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  }
}

/** @throws ValidationError */
function choose(field: string, wanted: readonly string[] | undefined, all: readonly { name: string }[]): string[] {
  const names = all.map(({ name }) => name);
  const unknown = wanted?.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new ValidationError(field, unknown, `one of ${names.join(', ')}`);
  return wanted === undefined ? names : [...wanted];
}

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
