import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildFolder, buildNative } from './native.mjs';
import { exitCodeOf, root, StepError } from './process.mjs';

/**
 * Builds the native unit tests and runs them through CTest.
 * @param {import('./native.mjs').Variant} [variant]
 * @returns {Promise<{ passed: number, failed: number }>} numbers of test files
 */
export async function runNativeTests(variant = 'plain') {
  await buildNative('native_tests', variant);
  const report = join(buildFolder(variant), 'native-tests.xml');
  rmSync(report, { force: true });
  const code = await exitCodeOf('ctest', [
    '--test-dir',
    buildFolder(variant),
    '--output-on-failure',
    '--no-tests=error',
    '--output-junit',
    report,
  ]);
  if (!existsSync(report)) throw new StepError(`ctest ended with exit code ${code} and without a report`);
  const head = readFileSync(report, 'utf8');
  /** @param {string} name */
  const count = (name) => Number(new RegExp(`<testsuite[^>]*\\s${name}="(\\d+)"`).exec(head)?.[1]);
  const failed = count('failures');
  if (code !== 0 && failed === 0) throw new StepError(`ctest in ${root} ended with exit code ${code}`);
  return { passed: count('tests') - failed - count('disabled') - count('skipped'), failed };
}
