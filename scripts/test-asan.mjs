// npm run test:asan [-- --quick | arguments of vitest]: the native unit tests and the suites of vitest with an addon built
// for AddressSanitizer and UndefinedBehaviorSanitizer. Without arguments, the kernel project; quick, what of it and of the
// integration project is closest to the addon.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { exitCodeOf, root, runMain, StepError } from './lib/process.mjs';
import { setup } from './lib/setup.mjs';

/** How many times longer than usual anything may take before a test counts as hanging. */
const SLOWNESS = '4';

/** Of what a minute brings, the most of the addon: its life, threads, codecs, watches and what must not get into it. */
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
 * Node itself is not built for the sanitizers: their run-time library has to be there before it starts.
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
  // Loaded here, not above: they need the node modules.
  const [{ buildFolder, buildNative }, { runNativeTests }] = await Promise.all([
    import('./lib/native.mjs'),
    import('./lib/native-tests.mjs'),
  ]);
  const native = await runNativeTests('address');
  if (native.failed > 0) throw new StepError(`${native.failed} native tests failed`);
  await buildNative('vethwork', 'address');
  const { library, script } = sanitizedNode(buildFolder('address'));
  const preparation = join(root, 'scripts/lib/sanitized-process.mjs');
  // For the processes of the test files only: vitest's own hangs with the library.
  const env = {
    LD_PRELOAD: library,
    VETHWORK_TEST_NODE: script,
    NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import=${pathToFileURL(preparation)}`,
    // Node leaks on exit by design.
    ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=1',
    UBSAN_OPTIONS: 'print_stacktrace=1',
    VETHWORK_PREBUILD: join(buildFolder('address'), '..'),
  };
  const args = vitestArguments(process.argv.slice(2));
  return exitCodeOf(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...args], {
    env: {
      VETHWORK_TEST_ENV: JSON.stringify(env),
      // Once more, as vitest itself puts all of it into `process.env`.
      VETHWORK_TEST_SETUP: preparation,
      VETHWORK_TEST_SLOWNESS: SLOWNESS,
    },
  });
});
