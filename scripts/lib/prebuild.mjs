// Builds the addon for the package with prebuildify and binding.gyp. prebuildify deletes the build folder next to
// binding.gyp, which has the development build. It therefore runs in another folder with links to the same files.
import { copyFileSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
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

/** Installation prefix of Node.js, if it has the headers, so that node-gyp does not download them. */
function nodeDirectory() {
  if (process.env.npm_config_nodedir) return process.env.npm_config_nodedir;
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, 'include/node/node_api.h')) ? prefix : undefined;
}

/** Headers that nearly every file includes. They take most of the compilation time. */
const COMMON_HEADERS = [
  ...['<algorithm>', '<array>', '<cerrno>', '<chrono>', '<cstring>', '<functional>', '<map>', '<memory>', '<mutex>'],
  ...['<optional>', '<span>', '<string>', '<string_view>', '<system_error>', '<thread>', '<variant>', '<vector>'],
  ...['"engine/operation.h"', '"schema/schema.h"'],
];

/**
 * Makes a compiler script that precompiles the common headers. With a compiler launcher, such as ccache, it only runs the
 * launcher. The development build does not use the script, so that it detects missing #include lines.
 * @param {string} compiler
 * @param {string} stage
 */
function makeCompiler(compiler, stage) {
  const header = join(stage, 'common.h');
  mkdirSync(`${header}.gch`);
  writeFileSync(header, COMMON_HEADERS.map((name) => `#include ${name}\n`).join(''));
  const launcher = process.env.CMAKE_CXX_COMPILER_LAUNCHER;
  const script = `#!/bin/sh
compiler='${compiler}' header='${header}'
# Link commands, and files that are not part of the addon.
case " $* " in *" -I../native "*" -c "*) ;; *) exec $compiler "$@" ;; esac
${launcher ? `exec ${launcher} $compiler "$@"` : ''}
options=
skip=
for word; do
  if [ -n "$skip" ]; then skip=; continue; fi
  case $word in
    -o | -MF) skip=1 ;;
    -c | -MMD | *.cc) ;;
    *) options="$options $word" ;;
  esac
done
precompiled=$header.gch/$(echo "$options" | cksum | tr ' ' -)
make='[ -e "$1" ] || { '$compiler$options' -x c++-header "$2" -o "$2.new" && mv "$2.new" "$1"; }'
flock "$header.lock" sh -c "$make" sh "$precompiled" "$header" || exit
exec $compiler -include "$header" "$@"
`;
  const path = join(stage, 'c++');
  writeFileSync(path, script, { mode: 0o755 });
  return path;
}

/** The addon exports only the functions that Node.js loads, so that C++ functions of two addons cannot be confused. */
const EXPORTS = '{ global: napi_register_module_v1; node_api_module_get_api_version_v1; local: *; };\n';

/** @param {Target} target */
async function build(target) {
  const stage = join(root, 'build/prebuild', target.name);
  rmSync(stage, { recursive: true, force: true });
  mkdirSync(stage, { recursive: true });
  for (const name of ['package.json', 'binding.gyp', 'native', 'node_modules']) {
    symlinkSync(join(root, name), join(stage, name));
  }
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
      CXX: makeCompiler(compiler, stage),
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
