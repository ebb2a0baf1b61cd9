import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { type App, print } from './app.js';
import { exitCodes } from './error.js';
import { globalsOf } from './globals.js';
import { examples } from './help.js';
import { interruptible } from './interrupt.js';
import { collect, parseDuration, parseInteger } from './parse.js';

interface BenchFlags {
  scenario?: string[];
  peer?: string[];
  runs?: number;
  budget?: number;
  quick?: boolean;
  svg?: string;
}

const RUNS = 10;
const QUICK_RUNS = 3;
/** In milliseconds. */
const BUDGET = 20_000;
const QUICK_BUDGET = 3000;
/** Static text, so that help does not load the benchmark. */
const NAMES = `
Scenarios:
  attach, guard, network, float, churn, sandbox, slots, traffic, scale, growth, reconcile, start, footprint
Contenders:
  model, model-without-dhcp, kernel, floor, walkthrough, shell, pyroute2, cni, netavark`;
const CLEAR_LINE = '\r\x1b[K';

export function addBenchCommand(program: Command, app: App): void {
  program
    .command('bench')
    .description('compare the performance of vethwork with other programs, in temporary namespaces')
    // After the global --json, which takes no value.
    .argument('[file]', 'output file of the report, with --json')
    .option('--scenario <name>', 'run only this scenario (may be repeated)', collect)
    .option('--peer <name>', 'run only this contender (may be repeated)', collect)
    .option(
      '--runs <n>',
      `runs per case, after one warm-up run (default ${RUNS}; ${QUICK_RUNS} with --quick)`,
      parseInteger,
    )
    .option(
      '--budget <duration>',
      'time limit per contender and case, after at least three runs (default 20s; 3s with --quick)',
      parseDuration,
    )
    .option('--quick', 'use small numbers, to check that the benchmark works')
    .option('--svg <dir>', 'write plots to this folder (needs the packages vega and vega-lite)')
    .addHelpText('after', NAMES)
    .addHelpText('after', examples('bench', 'bench --quick --scenario attach', 'bench --json bench.json --svg plots'))
    .action(async (file: string | undefined, flags: BenchFlags, command: Command) => {
      const { scenario, peer, runs, budget, quick = false, svg } = flags;
      const json = globalsOf(command).json === true;
      if (file !== undefined && !json) command.error(`error: unexpected argument ${file}: a file requires --json`);
      const { runBench, formatBench, drawBench, requirePlotter } = await import('../bench/index.js');
      if (svg !== undefined) await requirePlotter();
      const report = await interruptible((signal) =>
        runBench({
          ...(scenario !== undefined && { scenarios: scenario }),
          ...(peer !== undefined && { peers: peer }),
          runs: runs ?? (quick ? QUICK_RUNS : RUNS),
          budget: budget ?? (quick ? QUICK_BUDGET : BUDGET),
          quick,
          signal,
          progress: progressOn(app),
        }),
      );
      if (app.stderr.isTTY === true) app.stderr.write(CLEAR_LINE);
      if (file !== undefined) await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
      if (svg !== undefined) {
        await mkdir(svg, { recursive: true });
        for (const [name, text] of await drawBench(report)) await writeFile(join(svg, name), text);
      }
      print(app, json && file === undefined, report, formatBench(report));
      const failed = report.scenarios.some(({ cases }) =>
        cases.some((each) => each.contenders.some((one) => one.failed)),
      );
      app.exitCode = failed ? exitCodes.failure : exitCodes.ok;
    });
}

/** Shows progress on one line that is overwritten. Shows nothing if stderr is not a terminal. */
function progressOn({ stderr }: App): (text: string) => void {
  if (stderr.isTTY !== true) return () => undefined;
  return (text) => stderr.write(CLEAR_LINE + text);
}
