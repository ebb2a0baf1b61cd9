import { rmSync } from 'node:fs';
import type { Contender } from './contender.js';
import { describeMachine } from './machine.js';
import type { Entrant, WarmUp } from './measure.js';
import { peers } from './peers/index.js';
import type { ScenarioResult } from './scenario.js';
import { scenarios } from './scenarios/index.js';
import { Stage } from './stage.js';
import type { BenchReport, PeerReport } from './types.js';

/*
 * The measuring process. `arena.ts` starts it in new namespaces. The kernel removes them with all their objects when the
 * process ends.
 */

/** The only command-line argument, as JSON. */
export interface InnerOptions {
  folder: string;
  scenarios: readonly string[];
  peers: readonly string[];
  runs: number;
  /** In milliseconds. */
  budget: number;
  warmUp: WarmUp;
  firstWarmUp: WarmUp;
  quick: boolean;
}

export type InnerMessage =
  | { kind: 'progress'; text: string }
  | { kind: 'report'; report: Omit<BenchReport, 'vethwork' | 'date'> }
  | { kind: 'error'; message: string };

function send(message: InnerMessage): Promise<void> {
  return new Promise((resolve) => {
    process.send?.(message, undefined, {}, () => resolve());
  });
}

const progress = (text: string) => void send({ kind: 'progress', text });

async function detectPeers(names: readonly string[]): Promise<PeerReport[]> {
  return Promise.all(
    peers
      .filter(({ name }) => names.includes(name))
      .map(async ({ name, title, description, ...peer }) => {
        const missing = await peer.missing();
        const version = missing === undefined ? await peer.version?.() : undefined;
        return {
          name,
          title,
          description,
          ...(version !== undefined && { version }),
          ...(missing !== undefined && { missing }),
        };
      }),
  );
}

async function main(options: InnerOptions): Promise<void> {
  progress('preparing the environment');
  const machine = await describeMachine(options.folder);
  const stage = await Stage.build(options.folder);
  const found = await detectPeers(options.peers);
  const entrants: Entrant[] = [];
  for (const peer of peers) {
    if (!found.some(({ name, missing }) => name === peer.name && missing === undefined)) continue;
    entrants.push({ peer, contender: await peer.open(stage) });
  }
  const setting = { ...options, stage, entrants, progress, signal: new AbortController().signal };
  const results: ScenarioResult[] = [];
  for (const scenario of scenarios.filter(({ name }) => options.scenarios.includes(name))) {
    const { name, title, over, run } = scenario;
    results.push({
      name,
      title,
      ...(over !== undefined && { over }),
      facts: [],
      ...(await run({ ...setting, warm: new WeakSet() })),
    });
  }
  progress('cleaning up');
  for (const contender of entrants.map((entrant): Contender => entrant.contender)) await contender.close();
  await stage.close();
  const { runs, quick } = options;
  await send({ kind: 'report', report: { machine, runs, quick, peers: found, scenarios: results } });
}

const options = JSON.parse(process.argv[2] ?? '') as InnerOptions;

// The parent process was killed, so that this process has to remove the folder. process.exit() would wait for threads.
function removeFolderAndExit(): void {
  rmSync(options.folder, { recursive: true, force: true });
  process.kill(process.pid, 'SIGKILL');
}
process.once('disconnect', removeFolderAndExit);
if (!process.connected) removeFolderAndExit();

try {
  await main(options);
} catch (error) {
  await send({ kind: 'error', message: (error as Error).stack ?? String(error) });
}
// The kernel kills all other processes of the PID namespace.
process.exit();
