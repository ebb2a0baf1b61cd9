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
  await together(
    ensurePackages([
      ...packages.base,
      ...(lint ? packages.lint : []),
      ...(fuzz ? packages.fuzz : []),
      ...(bench ? packages.bench : []),
    ]),
    installModules(),
  );
  await together(buildAddon(), makeDist());
  if (bench) await buildFloor();
}

/**
 * Waits for all, also if one fails.
 * @param {Promise<unknown>[]} work
 */
async function together(...work) {
  await Promise.allSettled(work);
  await Promise.all(work);
}

async function installModules() {
  if (modulesAreFresh()) return;
  console.log('setup: installing node modules');
  // Not `npm ci`: it refuses a lock file without entries for optional packages of other systems. npm omits these entries
  // if a registry does not have the packages. This command also installs from the lock file and does not change it.
  await run('npm', ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund']);
}

async function buildAddon() {
  const addon = 'build/Release/vethwork.node';
  if (isFresh(addon, ['native', 'CMakeLists.txt', 'package-lock.json'])) return;
  console.log('setup: building the addon');
  // Imported dynamically, because it needs the node modules.
  const { buildNative } = await import('./native.mjs');
  await makeStamped(addon, () => buildNative('vethwork'));
}

async function buildFloor() {
  const floor = 'build/native/bench_attach';
  if (isFresh(floor, ['native/bench', 'native/CMakeLists.txt'])) return;
  console.log('setup: building the floor of the benchmark');
  const { buildNative } = await import('./native.mjs');
  await makeStamped(floor, () => buildNative('native_bench'));
}
