import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { faultsOf } from '../../../scripts/lib/binaries.mjs';
import { lmdbBounds, oldestGlibc, targets } from '../../../scripts/lib/targets.mjs';
import { PlatformError } from '../../../src/errors.js';
import { loadAddon } from '../../../src/kernel/load-addon.js';
import { addonError, describePlatform, lmdbError } from '../../../src/util/platform.js';
import { sh } from '../../support/namespaces.js';

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));
const BUILT = join(PROJECT, 'build/Release/vethwork.node');

let folder: string;
let binary: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vethwork-platforms-'));
  await mkdir(join(folder, `prebuilds/linux-${process.arch}`), { recursive: true });
  binary = join(folder, `prebuilds/linux-${process.arch}/vethwork.glibc.node`);
});

afterEach(async () => {
  delete process.env.VETHWORK_PREBUILD;
  await rm(folder, { recursive: true });
});

/** A shared library of one line of C++. */
async function library(code: string, ...options: string[]): Promise<string> {
  await writeFile(join(folder, 'code.cc'), code);
  await sh('g++', '-shared', '-fPIC', '-o', binary, join(folder, 'code.cc'), ...options);
  return binary;
}

function failure(): PlatformError {
  process.env.VETHWORK_PREBUILD = folder;
  let error: unknown;
  try {
    loadAddon();
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(PlatformError);
  return error as PlatformError;
}

describe('an addon that does not load', () => {
  it('gives an error of one sentence: the platform, the platforms supported, how to build', async () => {
    const { message, code } = failure();
    const report = process.report.getReport() as unknown as { header: { glibcVersionRuntime: string } };
    const here = `linux-${process.arch} with glibc ${report.header.glibcVersionRuntime} and Node.js ${process.versions.node}`;
    expect(code).toBe('ERR_VETHWORK_PLATFORM');
    expect(message).toContain(`does not load on ${here} (there is no binary for it)`);
    expect(message).toContain(`${targets.map(({ name }) => name).join(' and ')} with glibc ${oldestGlibc} or later`);
    expect(message).toContain('`npm rebuild vethwork`');
    expect(message).not.toMatch(/\n|\.$/);
    expect(describePlatform()).toBe(here);
  });

  it('gives the same error for any defect of the file', async () => {
    const foreign = await readFile(BUILT);
    // e_machine: one that is neither x64 nor arm64.
    foreign.writeUInt16LE(8, 18);
    const contents = [foreign, foreign.subarray(0, 40), Buffer.from('not a library\n')];
    for (const content of contents) {
      await writeFile(binary, content);
      expect(failure().message).toMatch(
        /does not load on linux-.+ \(.*vethwork\.glibc\.node.*\): the package has binaries for/,
      );
      // The file that was loaded before would be taken for it.
      await rm(binary);
    }
    await library('extern int notThere; int* address = &notThere;');
    expect(failure().message).toMatch(/\(.*undefined symbol: notThere.*\): the package has binaries for/);
    expect(failure().cause).toBeInstanceOf(Error);
  });

  it('loads without a defect', async () => {
    await copyFile(BUILT, binary);
    process.env.VETHWORK_PREBUILD = folder;
    expect(loadAddon()).toHaveProperty('submit');
  });
});

describe('the libraries that a binary needs', () => {
  it('are compared with the promised ones', async () => {
    const path = await library('extern "C" int f() { return 1; }', '-nostdlib');
    expect(faultsOf(path, process.arch)).toEqual([]);
    const other = process.arch === 'x64' ? 'arm64' : 'x64';
    expect(faultsOf(path, other)).toEqual([expect.stringContaining(`not ${other}`)]);
  });

  it('must not be a newer C library', async () => {
    const path = await library(
      '#include <stdlib.h>\nextern "C" void* f() { return malloc(1); }',
      '-nodefaultlibs',
      '-lc',
    );
    expect(faultsOf(path, process.arch)).toEqual([]);
    expect(faultsOf(path, process.arch, { glibc: '2.1' })).toEqual([
      expect.stringMatching(/needs GLIBC_2\.\d+\S*, newer than 2\.1$/),
    ]);
  });

  it('must not include libstdc++, or a symbol that no promised library has', async () => {
    const strings = '#include <stdexcept>\nextern "C" void f() { throw std::runtime_error("f"); }';
    const path = await library(strings);
    const faults = [expect.stringMatching(/needs GLIBCXX_/), expect.stringContaining('is linked with libstdc++.so.6')];
    expect(faultsOf(path, process.arch)).toEqual(faults);
    expect(faultsOf(path, process.arch, { libstdcxx: '3.4.21' })).toEqual([]);
    await library(
      'extern "C" int stat65(); extern "C" int napi_f(); extern "C" int f() { return stat65() + napi_f(); }',
      '-nodefaultlibs',
    );
    expect(faultsOf(path, process.arch)).toEqual([expect.stringContaining('needs stat65, which')]);
  });
});

describe('the supported systems', () => {
  it('are the same in the documentation, in errors and in the build', async () => {
    const readme = await readFile(join(PROJECT, 'README.md'), 'utf8');
    expect(addonError(undefined).message).toContain(`glibc ${oldestGlibc} or later`);
    expect(lmdbError(undefined).message).toContain(`glibc ${lmdbBounds.glibc} or later`);
    expect(readme).toContain(`glibc ${oldestGlibc} or later`);
    expect(readme).toContain(`glibc ${lmdbBounds.glibc} or later`);
    for (const { arch } of targets) expect(readme).toMatch(new RegExp(`^\\| Linux .*${arch}`, 'm'));
  });
});
