import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { privileged } from '../support/namespaces.js';
import { Random } from './random.js';

/** What a campaign is given, and tells. */
export interface Campaign {
  readonly seed: number;
  readonly random: Random;
  /** How many machines, where there are several. */
  readonly nodes: number;
  /** True when the time is up, or enough has been tried: the campaign comes to its end. */
  expired(tried?: number): boolean;
  /** Something that must not be. The campaign goes on, and fails in the end. */
  finding(text: string): void;
  readonly findings: readonly string[];
}

/** What was tried, for the summary: `kills` -> 512. */
export type Summary = Record<string, number | string>;

/**
 * Runs a campaign as a program of its own: `--seed N` repeats one, `--budget SECONDS` and `--count N` bound its time and
 * what is tried, `--nodes N` are the machines of a cluster. Ends with a line that says what was tried and what was found, and with exit code 1 if anything was.
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
    // Where everything has to be tried, that is a failure.
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
    // For whoever wants it once more when all is over.
    if (process.env.VETHWORK_SUMMARY) await writeFile(process.env.VETHWORK_SUMMARY, `${line}\n`);
  } catch (error) {
    campaign.finding(`the campaign broke off: ${(error as Error).stack}`);
  }
  if (findings.length > 0) console.log(`${name}: repeat with npm run campaign:${name} -- --seed ${seed}`);
  process.exitCode = findings.length > 0 ? 1 : 0;
}
