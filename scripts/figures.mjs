// npm run bench:figures measures everything. It writes docs/bench (the report as JSON, all figures as CSV, plots) and the
// table between the markers of README.md and of docs/performance.md. --quick measures few and small cases. --from-report
// measures nothing and writes tables and CSV files from docs/bench/report.json.
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dataFiles, summary } from './lib/figures.mjs';
import { root, run, runMain } from './lib/process.mjs';
import { setup } from './lib/setup.mjs';

/** Runs of each case. */
const RUNS = '5';
/** Time limit of each contender for a case. */
const BUDGET = '3s';
const PLOTS = [
  'veth-1-attach',
  'attach-attach-curve',
  'attach-gone-curve',
  'network-create',
  'scale-attach-curve',
  'reconcile-reconcile-curve',
  'slots-memory-claim',
  'slots-disk-claim',
  'slots-claim-curve',
];

/**
 * @param {string} page
 * @param {string} text
 */
async function insert(page, text) {
  const path = join(root, page);
  const before = await readFile(path, 'utf8');
  const after = before.replace(/(<!-- figures -->\n)[\s\S]*?(<!-- end of figures -->)/, (_, start, end) => {
    return `${start}${text}\n${end}`;
  });
  await writeFile(path, after);
}

await runMain(async () => {
  const folder = join(root, 'docs/bench');
  const drawn = join(root, 'build/bench');
  const file = join(folder, 'report.json');
  if (!process.argv.includes('--from-report')) {
    await setup({ bench: true });
    await mkdir(folder, { recursive: true });
    await rm(drawn, { recursive: true, force: true });
    const quick = process.argv.includes('--quick') ? ['--quick'] : [];
    const args = ['--runs', RUNS, '--budget', BUDGET, ...quick, '--json', file, '--svg', drawn];
    await run(process.execPath, [join(root, 'dist/cli/main.js'), 'bench', ...args]);
    // A quick run does not draw all plots.
    for (const name of PLOTS.map((plot) => `${plot}.svg`).filter((plot) => existsSync(join(drawn, plot)))) {
      await copyFile(join(drawn, name), join(folder, name));
    }
  }
  const report = JSON.parse(await readFile(file, 'utf8'));
  await insert('README.md', summary(report, { headlines: true }));
  await insert('docs/performance.md', summary(report));
  for (const [name, text] of dataFiles(report)) await writeFile(join(folder, name), text);
});
