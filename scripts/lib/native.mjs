import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { root, run } from './process.mjs';

const require = createRequire(import.meta.url);

/**
 * Variants of the development build. Each has its own folder. node-gyp-build finds the addon of `plain` first. For the
 * others, set `VETHWORK_PREBUILD=build/<variant>`. The others compile each source file by itself, which detects missing
 * #include lines.
 */
const variants = {
  plain: { folder: 'build', options: ['--CDVETHWORK_UNITY=ON'] },
  address: { folder: 'build/address/build', options: ['--CDVETHWORK_SANITIZE=address'] },
  thread: { folder: 'build/thread/build', options: ['--CDVETHWORK_SANITIZE=thread'] },
  fuzz: {
    folder: 'build/fuzz',
    options: ['--cc=clang', '--cxx=clang++', '--CDVETHWORK_SANITIZE=address', '--CDVETHWORK_FUZZ=ON'],
  },
};

/** @typedef {keyof typeof variants} Variant */

export const variantNames = /** @type {Variant[]} */ (Object.keys(variants));

/** @param {Variant} variant */
export function buildFolder(variant) {
  return join(root, variants[variant].folder);
}

/**
 * Configures and builds one target with cmake-js. Several processes may call it concurrently.
 * @param {string} target `vethwork` (the addon), `native_tests`, `native_bench` or `native_fuzz`
 * @param {Variant} [variant]
 */
export async function buildNative(target, variant = 'plain') {
  const { folder, options } = variants[variant];
  mkdirSync(join(root, folder), { recursive: true });
  const cmakeJs = join(require.resolve('cmake-js/package.json'), '../bin/cmake-js');
  const common = [
    process.execPath,
    cmakeJs,
    '--log-level=warn',
    '--prefer-make',
    '--config=Release',
    `--out=${folder}`,
  ];
  /** @param {string[]} args */
  const locked = (...args) => run('flock', [join(folder, '.lock'), ...common, ...args]);
  await locked('configure', ...options);
  await locked('build', `--target=${target}`, `--parallel=${availableParallelism()}`);
}
