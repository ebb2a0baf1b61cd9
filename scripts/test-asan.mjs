// npm run test:asan [-- --quick | arguments of vitest]: runs the native unit tests and suites of vitest with an addon built
// for AddressSanitizer and UndefinedBehaviorSanitizer. Without arguments, it runs the kernel project. With --quick, it runs
// only the tests that use the addon directly.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { exitCodeOf, root, runMain, StepError } from './lib/process.mjs';
import { setup } from './lib/setup.mjs';

/** Factor for the time limits of tests. */
const SLOWNESS = '4';

/** Kernel tests that cover most of the addon in one minute: life cycle, threads, codecs, watches and invalid input. */
const QUICK = [
  ...['engine', 'engine-life', 'engine-rollback', 'link-kinds', 'links', 'neighbours', 'nftables', 'processes'],
  ...['snapshot', 'spawn', 'traffic', 'watch'],
].map((name) => `test/kernel/kernel/${name}.test.ts`);

/** @param {string[]} args */
function vitestArguments([first, ...rest]) {
  if (first === '--quick') return [...QUICK, 'test/integration/kernel/bad-input.test.ts', ...rest];
  return first === undefined ? ['--project', 'kernel'] : [first, ...rest];
}

/**
 * Node.js is not built with the sanitizers, so that their run-time library has to be preloaded.
 * @param {string} folder
 */
function sanitizedNode(folder) {
  const library = execFileSync('g++', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim();
  const script = join(folder, 'node');
  writeFileSync(script, `#!/bin/sh\nLD_PRELOAD='${library}' exec '${process.execPath}' "$@"\n`, { mode: 0o755 });
  return { library, script };
}

await runMain(async () => {
  await setup();
  // Imported dynamically, because they need the node modules.
  const [{ buildFolder, buildNative }, { runNativeTests }] = await Promise.all([
    import('./lib/native.mjs'),
    import('./lib/native-tests.mjs'),
  ]);
  const native = await runNativeTests('address');
  if (native.failed > 0) throw new StepError(`${native.failed} native tests failed`);
  await buildNative('vethwork', 'address');
  const { library, script } = sanitizedNode(buildFolder('address'));
  const preparation = join(root, 'scripts/lib/sanitized-process.mjs');
  // Only for the processes of the test files: the main process of vitest hangs with the library.
  const env = {
    LD_PRELOAD: library,
    VETHWORK_TEST_NODE: script,
    NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import=${pathToFileURL(preparation)}`,
    // Node.js does not free all memory at exit.
    ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=1',
    UBSAN_OPTIONS: 'print_stacktrace=1',
    VETHWORK_PREBUILD: join(buildFolder('address'), '..'),
  };
  const args = vitestArguments(process.argv.slice(2));
  return exitCodeOf(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...args], {
    env: {
      VETHWORK_TEST_ENV: JSON.stringify(env),
      // Set again, because vitest copies these variables to `process.env`.
      VETHWORK_TEST_SETUP: preparation,
      VETHWORK_TEST_SLOWNESS: SLOWNESS,
    },
  });
});
