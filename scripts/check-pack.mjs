// npm run check:pack: packs, installs the tarball in an empty folder without a compiler (no install scripts; only node,
// npm and a shell in PATH), and uses the installed package.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { faultsOf } from './lib/binaries.mjs';
import { root, run, runMain, StepError } from './lib/process.mjs';
import { setup } from './lib/setup.mjs';
import { addonOf, lmdbBounds, programOf, targetOf, targets } from './lib/targets.mjs';

/** Patterns of files that the tarball may contain. */
const allowed = [
  /^dist\/.+\.(js|d\.ts)$/,
  /^dist\/cli\/LICENSES\.txt$/,
  /^scripts\/install\.mjs$/,
  /^native\/(?!test\/|fuzz\/|bench\/).+\.(cc|h)$/,
  /^examples\/[a-z-]+\.ts$/,
  /^docs\/[a-z-]+\.conf$/,
  /^systemd\/vethwork(-agent\.service|\.(sysusers|tmpfiles)\.conf)$/,
  /^docs\/([a-z-]+\.md|bench\/[a-z0-9-]+\.(csv|svg))$/,
  /^(package\.json|binding\.gyp|README\.md|SECURITY\.md|LICENSE|CHANGELOG\.md)$/,
];

/** Files that the tarball must contain. */
const required = [
  'package.json',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'SECURITY.md',
  'binding.gyp',
  'dist/index.js',
  'dist/index.d.ts',
  'dist/kernel/index.js',
  'dist/kernel/index.d.ts',
  'dist/cli/main.js',
  'systemd/vethwork-agent.service',
  'systemd/vethwork.sysusers.conf',
  'systemd/vethwork.tmpfiles.conf',
  'scripts/install.mjs',
];

/** Binaries and their targets. The tarball must contain those for this machine. */
const binaries = new Map(targets.flatMap((target) => [addonOf, programOf].map((of) => [of(target), target])));

/**
 * Program that runs in the empty folder. It lists the links of its namespace with the addon. As root, it also starts a
 * program with vethwork-enter.
 */
const useIt = `
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import * as vethwork from 'vethwork';
import { openKernel } from 'vethwork/kernel';
const require = createRequire(import.meta.url);
const addon = require('node-gyp-build').path(dirname(require.resolve('vethwork/package.json')));
if (!addon.includes('/prebuilds/')) throw new Error('loaded from ' + addon);
if (typeof vethwork.openHost !== 'function') throw new Error('no openHost in ' + Object.keys(vethwork));
const kernel = await openKernel();
const links = await kernel.query('link.list');
if (process.getuid() === 0) {
  const child = kernel.spawn(process.execPath, ['--version'], { netns: process.pid, stdio: 'inherit' });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error('a program in a namespace ended with ' + code);
}
await kernel.close();
if (!links.some((link) => link.name === 'lo')) throw new Error('no loopback in ' + JSON.stringify(links));
console.log('check-pack: the installed package lists ' + links.map((link) => link.name).join(', '));
`;

/** @param {string} folder output folder of the tarball */
function pack(folder) {
  const output = execFileSync('npm', ['pack', '--json', '--pack-destination', folder], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // The output of prepack precedes the JSON.
  const [tarball] = JSON.parse(output.slice(output.lastIndexOf('\n[\n') + 1));
  return {
    path: join(folder, tarball.filename),
    size: `${(tarball.size / 1e6).toFixed(2)} MB, ${(tarball.unpackedSize / 1e6).toFixed(2)} MB unpacked`,
    files: tarball.files.map((/** @type {{ path: string }} */ f) => f.path),
  };
}

/** @param {readonly string[]} files */
function checkFiles(files) {
  const own = [...binaries].filter(([, target]) => target === targetOf()).map(([name]) => name);
  const missing = [...required, ...own].filter((name) => !files.includes(name));
  const extraneous = files.filter((name) => !binaries.has(name) && !allowed.some((pattern) => pattern.test(name)));
  if (missing.length > 0) throw new StepError(`missing in the tarball: ${missing.join(', ')}`);
  if (extraneous.length > 0) throw new StepError(`extraneous in the tarball: ${extraneous.join(', ')}`);
  // Targets of the relative links in Markdown pages.
  const pages = files.filter((name) => name.endsWith('.md'));
  const links = pages.flatMap((page) =>
    [...readFileSync(join(root, page), 'utf8').matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, link = '']) =>
      join(dirname(page), link),
    ),
  );
  const dead = [...new Set(links)].filter((link) => !files.includes(link));
  if (dead.length > 0) throw new StepError(`pages link to files that are not in the tarball: ${dead.join(', ')}`);
  if (!files.some((name) => name.startsWith('native/binding/')))
    throw new StepError('no native sources in the tarball');
  console.log(`check-pack: ${files.length} files, none missing, none extraneous`);
}

/**
 * Checks that the packed binaries load on the systems that README.md names.
 * @param {string} folder the installed package
 */
function checkBinaries(folder) {
  const found = [...binaries].filter(([name]) => existsSync(join(folder, name)));
  const faults = found.flatMap(([name, { arch }]) => faultsOf(join(folder, name), arch));
  const lmdb = lmdbBinaries(folder);
  const foreign = lmdb.flatMap((path) => faultsOf(path, process.arch, lmdbBounds));
  if (lmdb.length === 0) throw new StepError('lmdb has no binary for glibc');
  if (faults.length + foreign.length > 0) throw new StepError([...faults, ...foreign].join('\n'));
  const names = new Set(found.map(([, target]) => target.name));
  console.log(`check-pack: binaries for ${[...names].join(', ')}, none requires a newer system than documented`);
}

/** @param {string} folder the installed package */
function lmdbBinaries(folder) {
  const beside = join(folder, `../@lmdb/lmdb-linux-${process.arch}`);
  return readdirSync(beside)
    .filter((name) => name.endsWith('.glibc.node'))
    .map((name) => join(beside, name));
}

/**
 * Checks export maps and types with publint and attw.
 * @param {string} tarball
 */
async function lintPackage(tarball) {
  const program = (/** @type {string} */ name) => join(root, 'node_modules/.bin', name);
  await run(program('publint'), ['run', tarball, '--strict']);
  await run(program('attw'), [tarball, '--no-emoji', '--format', 'ascii']);
}

/**
 * Checks the benchmark of the package, without the optional packages vega and vega-lite.
 * @param {string} program
 * @param {string} cwd
 */
function checkBench(program, cwd) {
  const bench = (/** @type {string[]} */ ...args) => spawnSync(program, ['bench', ...args], { cwd, encoding: 'utf8' });
  const drawn = bench('--svg', 'plots');
  if (drawn.status !== 1 || !drawn.stderr.includes('npm install vega vega-lite')) {
    throw new StepError(`bench --svg without vega ended with ${drawn.status}: ${drawn.stderr}`);
  }
  if (process.getuid?.() !== 0) return;
  const { status, stdout, stderr } = bench(
    '--quick',
    '--scenario',
    'attach',
    '--peer',
    'model',
    '--peer',
    'floor',
    '--runs',
    '1',
  );
  if (status !== 0 || !stdout.includes('1 veth: attach') || !stdout.includes('missing: the floor programs')) {
    throw new StepError(`the benchmark of the package ended with ${status}: ${stdout}${stderr}`);
  }
}

/**
 * Makes a folder for PATH with only node, npm and a shell, so that nothing can be compiled.
 * @param {string} folder
 */
function poorPath(folder) {
  mkdirSync(folder);
  symlinkSync(process.execPath, join(folder, 'node'));
  const npm = execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim();
  symlinkSync(realpathSync(npm), join(folder, 'npm'));
  symlinkSync('/bin/sh', join(folder, 'sh'));
  symlinkSync('/usr/bin/env', join(folder, 'env'));
  return folder;
}

await runMain(async () => {
  await setup();
  const temporary = mkdtempSync(join(tmpdir(), 'vethwork-pack-'));
  try {
    const tarball = pack(temporary);
    checkFiles(tarball.files);
    console.log(`check-pack: ${tarball.size}`);
    await lintPackage(tarball.path);

    const PATH = poorPath(join(temporary, 'bin'));
    const folder = join(temporary, 'empty');
    mkdirSync(folder);
    writeFileSync(join(folder, 'package.json'), '{ "name": "empty", "private": true, "type": "module" }\n');
    writeFileSync(join(folder, 'use-it.mjs'), useIt);
    const options = { cwd: folder, env: { PATH } };
    await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', tarball.path], options);
    checkBinaries(join(folder, 'node_modules/vethwork'));
    await run('node', ['use-it.mjs'], options);
    await run(join(folder, 'node_modules/.bin/vethwork'), ['--version'], options);

    checkBench(join(folder, 'node_modules/.bin/vethwork'), folder);

    const { version } = JSON.parse(readFileSync(join(folder, 'node_modules/vethwork/package.json'), 'utf8'));
    console.log(`check-pack: vethwork ${version} works without a compiler`);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
});
