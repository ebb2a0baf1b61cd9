// npm test [-- arguments of vitest]: sets up, then runs the native unit tests and all suites of vitest. Arguments select
// suites. The last line is `N passed, N failed, N skipped`.
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
  // A file that cannot be loaded, or whose hook fails, fails without a failed test.
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
  // Imported dynamically, because it needs the node modules.
  const { runNativeTests } = await import('./lib/native-tests.mjs');
  const native = args.length > 0 ? { passed: 0, failed: 0 } : await runNativeTests();
  const vitest = await runVitest(args);

  // Without root, suites are skipped. As root or in CI, a skipped test is a failure. With arguments, tests that they do not
  // select are skipped too.
  const mustRun = args.length === 0 && (process.getuid?.() === 0 || Boolean(process.env.CI));
  const missed = mustRun ? vitest.skipped : 0;
  if (missed > 0) console.error(`error: ${missed} tests were skipped; all tests have to run as root and in CI`);
  const failed = native.failed + vitest.failed + missed;
  const line = `${native.passed + vitest.passed} passed, ${failed} failed, ${vitest.skipped} skipped`;
  writeFileSync(summary, `${line}\n`);
  // The suites left objects behind (test/global-setup.ts), or an error was thrown outside of a test.
  if (vitest.code !== 0 && vitest.failed === 0) console.error('error: vitest failed outside of a test; see above');
  console.log(line);
  return failed > 0 || vitest.code !== 0 ? 1 : 0;
});
