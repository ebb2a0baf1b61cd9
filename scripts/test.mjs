// npm test [-- arguments of vitest]: sets up, then the native unit tests and all suites of vitest. With arguments, only
// what they choose. Ends with the line `N passed, N failed, N skipped`.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exitCodeOf, root, runMain, StepError } from './lib/process.mjs';
import { setup } from './lib/setup.mjs';

const report = join(root, 'build/test-report.json');
const summary = join(root, 'build/test-summary.txt');

/** @param {readonly string[]} args */
async function runVitest(args) {
  mkdirSync(join(root, 'build'), { recursive: true });
  rmSync(report, { force: true });
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const code = await exitCodeOf(process.execPath, [vitest, 'run', ...reporters, ...args]);
  if (!existsSync(report)) throw new StepError(`vitest ended with exit code ${code} and without a report`);
  /** @type {{ numPassedTests: number, numFailedTests: number, numPendingTests: number, numTodoTests: number,
   *   testResults: { status: string, assertionResults: { status: string }[] }[] }} */
  const results = JSON.parse(readFileSync(report, 'utf8'));
  // A file that could not be loaded, or whose hook failed, has failed without a failed test.
  const brokenFiles = results.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  ).length;
  return {
    code,
    passed: results.numPassedTests,
    failed: results.numFailedTests + brokenFiles,
    skipped: results.numPendingTests + results.numTodoTests,
  };
}

await runMain(async () => {
  await setup();
  const args = process.argv.slice(2);
  // Loaded here, not above: it needs the node modules.
  const { runNativeTests } = await import('./lib/native-tests.mjs');
  const native = args.length > 0 ? { passed: 0, failed: 0 } : await runNativeTests();
  const vitest = await runVitest(args);

  // Suites are skipped where there is no root, which is how they are seen to be. Where everything has to be tried, a test
  // that did not run has failed. Arguments choose, and what they leave out is skipped as well.
  const mustRun = args.length === 0 && (process.getuid?.() === 0 || Boolean(process.env.CI));
  const missed = mustRun ? vitest.skipped : 0;
  if (missed > 0) console.error(`error: ${missed} tests were skipped; as root, and where CI is set, all have to run`);
  const failed = native.failed + vitest.failed + missed;
  const line = `${native.passed + vitest.passed} passed, ${failed} failed, ${vitest.skipped} skipped`;
  writeFileSync(summary, `${line}\n`);
  // The suites left something behind (test/global-setup.ts), or an error was thrown outside of a test.
  if (vitest.code !== 0 && vitest.failed === 0) console.error('error: vitest failed outside of a test; see above');
  console.log(line);
  return failed > 0 || vitest.code !== 0 ? 1 : 0;
});
