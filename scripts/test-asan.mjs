// npm run test:asan [-- arguments of vitest]: the native unit tests and the suites of vitest with an addon built for
// AddressSanitizer and UndefinedBehaviorSanitizer. Without arguments, the kernel project.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildFolder, buildNative } from './lib/native.mjs';
import { runNativeTests } from './lib/native-tests.mjs';
import { exitCodeOf, root, runMain, StepError } from './lib/process.mjs';

/** dnsmasq hangs when the run-time library is loaded into it. A folder for the PATH, with one that starts without. */
function programsWithoutLibrary() {
  const folder = join(buildFolder('address'), 'programs');
  mkdirSync(folder, { recursive: true });
  const script = '#!/bin/sh\nunset LD_PRELOAD\nexec /usr/sbin/dnsmasq "$@"\n';
  writeFileSync(join(folder, 'dnsmasq'), script, { mode: 0o755 });
  return folder;
}

await runMain(async () => {
  const native = await runNativeTests('address');
  if (native.failed > 0) throw new StepError(`${native.failed} native tests failed`);
  await buildNative('vethwork', 'address');
  // Node itself is not built for it, so the run-time library has to be there before Node starts: in the processes of the
  // test files only, as vitest's own hangs with it.
  const env = {
    LD_PRELOAD: execFileSync('g++', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim(),
    // Node leaks on exit by design.
    ASAN_OPTIONS: `detect_leaks=0:abort_on_error=1:suppressions=${join(root, 'scripts/asan-suppressions.txt')}`,
    UBSAN_OPTIONS: 'print_stacktrace=1',
    PATH: `${programsWithoutLibrary()}:${process.env.PATH}`,
    VETHWORK_PREBUILD: join(buildFolder('address'), '..'),
  };
  const args = process.argv.length > 2 ? process.argv.slice(2) : ['--project', 'kernel'];
  return exitCodeOf(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...args], {
    env: { VETHWORK_TEST_ENV: JSON.stringify(env) },
  });
});
