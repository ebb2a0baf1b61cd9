import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { privileged } from '../support/namespaces.js';
import { Random } from './random.js';

/** Context of a campaign. */
export interface Campaign {
  readonly seed: number;
  readonly random: Random;
  /** Number of machines of a cluster. */
  readonly nodes: number;
  /** True if the time or count limit is reached: the campaign ends. */
  expired(tried?: number): boolean;
  /** Records a failure. The campaign continues, and fails at the end. */
  finding(text: string): void;
  readonly findings: readonly string[];
}

/** Counters for the summary, for example `kills` -> 512. */
export type Summary = Record<string, number | string>;

/**
 * Runs a campaign as the main program. `--seed N` repeats a run, `--budget SECONDS` and `--count N` limit it, and `--nodes N`
 * sets the number of machines of a cluster. The last line of the output is a summary. The exit code is 1 if there are
 * findings.
 */
export async function runCampaign(name: string, budget: number, body: (campaign: Campaign) => Promise<Summary>) {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      budget: { type: 'string' },
      count: { type: 'string' },
      nodes: { type: 'string' },
    },
  });
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
  const seconds = Number(values.budget ?? budget);
  const most = Number(values.count ?? Number.POSITIVE_INFINITY);
  const nodes = Number(values.nodes ?? 5);
  if (!Number.isInteger(seed) || !(seconds > 0) || !(most > 0) || !(Number.isInteger(nodes) && nodes > 1)) {
    console.error('usage: [--seed INTEGER] [--budget SECONDS] [--count INTEGER] [--nodes INTEGER]');
    process.exit(2);
  }
  if (!privileged) {
    console.log(`${name}: skipped, needs root`);
    // In CI, a skipped campaign is a failure.
    process.exitCode = process.env.CI ? 1 : 0;
    return;
  }
  const findings: string[] = [];
  const began = Date.now();
  let stopped = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => (stopped = true));
  const end = began + seconds * 1000;
  console.log(`${name}: seed ${seed}, budget ${seconds} s`);
  const campaign: Campaign = {
    seed,
    random: new Random(seed),
    nodes,
    expired: (tried = 0) => stopped || tried >= most || Date.now() > end,
    finding: (text) => {
      findings.push(text);
      console.log(`${name}: FOUND ${text}`);
    },
    findings,
  };
  try {
    const summary = await body(campaign);
    const took = Math.round((Date.now() - began) / 1000);
    const texts = Object.entries({ ...summary, leftovers: findings.length, seconds: took }).map(
      ([what, value]) => `${what} ${value}`,
    );
    const line = `${name}: seed ${seed}: ${texts.join(', ')}`;
    console.log(line);
    // Write the summary to a file, which CI prints again at the end.
    if (process.env.VETHWORK_SUMMARY) await writeFile(process.env.VETHWORK_SUMMARY, `${line}\n`);
  } catch (error) {
    campaign.finding(`the campaign broke off: ${(error as Error).stack}`);
  }
  if (findings.length > 0) console.log(`${name}: repeat with npm run campaign:${name} -- --seed ${seed}`);
  process.exitCode = findings.length > 0 ? 1 : 0;
}
