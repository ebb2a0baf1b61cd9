import { ensurePackages, packages } from './debian.mjs';
import { makeDist } from './dist.mjs';
import { isFresh, makeStamped, modulesAreFresh } from './fresh.mjs';
import { run } from './process.mjs';

/**
 * Prepares a checkout for tests and the demo: Debian packages, node modules, the addon, dist. Skips outputs that are newer
 * than their inputs.
 * @param {{ lint?: boolean, fuzz?: boolean, bench?: boolean }} [extras] additional Debian packages
 */
export async function setup({ lint = false, fuzz = false, bench = false } = {}) {
  await ensurePackages([
    ...packages.base,
    ...(lint ? packages.lint : []),
    ...(fuzz ? packages.fuzz : []),
    ...(bench ? packages.bench : []),
  ]);

  if (!modulesAreFresh()) {
    console.log('setup: installing node modules');
    // Not `npm ci`: it refuses a lock file without entries for optional packages of other systems. npm omits these entries
    // if a registry does not have the packages. This command also installs from the lock file and does not change it.
    await run('npm', ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund']);
  }

  const addon = 'build/Release/vethwork.node';
  const addonSources = ['native', 'CMakeLists.txt', 'package-lock.json'];
  if (!isFresh(addon, addonSources)) {
    console.log('setup: building the addon');
    // Imported dynamically, because it needs the node modules.
    const { buildNative } = await import('./native.mjs');
    await makeStamped(addon, () => buildNative('vethwork'));
  }

  const floor = 'build/native/bench_attach';
  if (bench && !isFresh(floor, ['native/bench', 'native/CMakeLists.txt'])) {
    console.log('setup: building the floor of the benchmark');
    const { buildNative } = await import('./native.mjs');
    await makeStamped(floor, () => buildNative('native_bench'));
  }

  await makeDist();
}
