// Builds the addon for the package with prebuildify and binding.gyp. prebuildify deletes the build folder next to
// binding.gyp, which has the development build. It therefore runs in another folder with links to the same files.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { faultsOfTarget } from './binaries.mjs';
import { ensurePackages, packages } from './debian.mjs';
import { isFresh, makeStamped } from './fresh.mjs';
import { makeStandIns } from './portable.mjs';
import { root, run, StepError } from './process.mjs';
import { addonOf, oldestGlibc, programOf } from './targets.mjs';

/** @typedef {import('./targets.mjs').Target} Target */

const sources = ['native', 'binding.gyp', 'package-lock.json', 'scripts/portable'].concat(
  ['prebuild', 'portable', 'targets'].map((name) => `scripts/lib/${name}.mjs`),
);

/** @param {Target} target */
export function isPrebuilt(target) {
  return existsSync(join(root, programOf(target))) && isFresh(addonOf(target), sources);
}

/** Number of source files of the addon as it is compiled: enough to occupy the processors until the end. */
const SOURCE_PARTS = 4;

/** Installation prefix of Node.js, if it has the headers, so that node-gyp does not download them. */
function nodeDirectory() {
  if (process.env.npm_config_nodedir) return process.env.npm_config_nodedir;
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, 'include/node/node_api.h')) ? prefix : undefined;
}

/**
 * Makes a folder with the name and the header files of native/, but fewer source files, each of which includes many. The
 * common headers are then compiled once for each of them; they take most of the time otherwise.
 * @param {string} stage
 */
function joinSources(stage) {
  const native = join(root, 'native');
  const folders = readdirSync(native, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  mkdirSync(join(stage, 'native'));
  for (const { name } of folders) symlinkSync(join(native, name), join(stage, 'native', name));
  symlinkSync(join(native, 'unity.h'), join(stage, 'native/unity.h'));

  // As in binding.gyp.
  const addon = folders.map(({ name }) => name).filter((name) => !['test', 'fuzz', 'bench', 'enter'].includes(name));
  const files = addon.flatMap((folder) =>
    readdirSync(join(native, folder), { encoding: 'utf8', recursive: true })
      .filter((name) => name.endsWith('.cc'))
      .map((name) => `${folder}/${name}`),
  );
  files.sort();
  const sizes = files.map((name) => statSync(join(native, name)).size);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  /** @type {string[]} */
  const parts = Array(SOURCE_PARTS).fill('#include "unity.h"\n');
  let before = 0;
  for (const [index, name] of files.entries()) {
    parts[Math.floor((before / total) * SOURCE_PARTS)] += `#include "${name}"\n`;
    before += sizes[index] ?? 0;
  }
  for (const [index, text] of parts.entries()) writeFileSync(join(stage, `native/part-${index}.cc`), text);
}

/** The addon exports only the functions that Node.js loads, so that C++ functions of two addons cannot be confused. */
const EXPORTS = '{ global: napi_register_module_v1; node_api_module_get_api_version_v1; local: *; };\n';

/** @param {Target} target */
async function build(target) {
  const stage = join(root, 'build/prebuild', target.name);
  rmSync(stage, { recursive: true, force: true });
  mkdirSync(stage, { recursive: true });
  for (const name of ['package.json', 'binding.gyp', 'node_modules']) {
    symlinkSync(join(root, name), join(stage, name));
  }
  joinSources(stage);
  const compiler = `${target.prefix}g++`;
  const libraries = join(stage, 'libraries');
  makeStandIns({
    compiler,
    glibc: oldestGlibc,
    folder: libraries,
    shim: join(root, 'scripts/portable/glibc.cc'),
  });
  writeFileSync(join(stage, 'exports'), EXPORTS);

  rmSync(join(root, 'prebuilds', target.name), { recursive: true, force: true });
  const nodedir = nodeDirectory();
  const options = ['--napi', '--strip', '--tag-libc', '--arch', target.arch, '--out', root];
  await run(process.execPath, [join(root, 'node_modules/prebuildify/bin.js'), ...options], {
    cwd: stage,
    env: {
      CC: `${target.prefix}gcc`,
      CXX: [process.env.CMAKE_CXX_COMPILER_LAUNCHER ?? '', compiler].join(' ').trim(),
      AR: `${target.prefix}ar`,
      LDFLAGS: `-L${libraries} -static-libstdc++ -Wl,--version-script,${join(stage, 'exports')}`,
      PREBUILD_STRIP_BIN: `${target.prefix}strip`,
      MAKEFLAGS: `-j${availableParallelism()}`,
      npm_config_loglevel: 'warn',
      ...(nodedir ? { npm_config_nodedir: nodedir } : {}),
    },
  });
  // prebuildify copies only the addon.
  copyFileSync(join(stage, 'build/Release/vethwork-enter'), join(root, programOf(target)));
  await run(`${target.prefix}strip`, ['--strip-all', join(root, programOf(target))]);
}

/**
 * Builds binaries that are missing or older than their sources, and checks that they load on every supported system.
 * @param {readonly Target[]} targets
 */
export async function prebuild(targets) {
  await ensurePackages([
    ...packages.base,
    ...(targets.some(({ arch }) => arch !== process.arch) ? packages.crossbuild : []),
  ]);
  for (const target of targets) {
    if (!isPrebuilt(target)) {
      console.log(`prebuild: ${target.name}`);
      await makeStamped(addonOf(target), () => build(target));
    }
    const faults = faultsOfTarget(target);
    if (faults.length > 0) throw new StepError(faults.join('\n'));
  }
}
