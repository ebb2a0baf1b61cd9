// Makes binaries that load on systems older than the build machine. They are linked with stub libraries, which export only
// the symbols of the oldest supported glibc, and statically with libstdc++.
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StepError } from './process.mjs';

/**
 * @typedef {{ name: string, version: string, type: string, size: number }} Exported
 */

/**
 * Compares versions. Negative if the first is older, for example 2.3.4 and 2.28.
 * @param {string} a
 * @param {string} b
 */
export function compareVersions(a, b) {
  const [left, right] = [a.split('.').map(Number), b.split('.').map(Number)];
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/**
 * Exported symbols of a shared library of glibc, each in its newest version up to the bound.
 * @param {string} library
 * @param {string} bound for example 2.28
 * @returns {Exported[]}
 */
function exportsUpTo(library, bound) {
  const output = execFileSync('readelf', ['-W', '--dyn-syms', library], { encoding: 'utf8', maxBuffer: 64 << 20 });
  /** @type {Map<string, Exported>} */
  const found = new Map();
  for (const line of output.split('\n')) {
    // Num: Value Size Type Bind Vis Ndx Name@Version
    const [, , size, type = '', , , section, symbol = ''] = line.trim().split(/\s+/);
    const [, name, version = ''] = /^(\w+)@@?GLIBC_([\d.]+)$/.exec(symbol) ?? [];
    if (name === undefined || section === 'UND' || section === 'ABS' || compareVersions(version, bound) > 0) continue;
    const before = found.get(name);
    if (before && compareVersions(before.version, version) >= 0) continue;
    found.set(name, { name, version, type, size: Number(size) });
  }
  if (found.size === 0) throw new StepError(`${library} exports nothing up to GLIBC_${bound}`);
  return [...found.values()];
}

/**
 * Assembler source of a stub library that defines the same symbols without code.
 * @param {Exported[]} symbols
 */
function standInSource(symbols) {
  const types = new Map([
    ['OBJECT', '.data|%object'],
    ['TLS', '.section .tdata,"awT",%progbits|%tls_object'],
  ]);
  const lines = symbols.flatMap(({ name, version, type, size }, index) => {
    const [section = '', kind = ''] = (types.get(type) ?? '.text|%function').split('|');
    const own = `stand_in_${index}`;
    return [
      section,
      `.globl ${own}`,
      `.type ${own}, ${kind}`,
      `${own}: .skip ${Math.max(size, 1)}`,
      `.size ${own}, ${size}`,
      `.symver ${own}, ${name}@@GLIBC_${version}`,
    ];
  });
  return `${lines.join('\n')}\n.section .note.GNU-stack,"",%progbits\n`;
}

/** @param {Exported[]} symbols */
function versionScript(symbols) {
  const versions = [...new Set(symbols.map(({ version }) => version))].sort(compareVersions);
  return versions.map((version) => `GLIBC_${version} { local: stand_in_*; };\n`).join('');
}

/**
 * Makes a folder of stub libraries for the linker's search path, before the system's folders.
 * @param {{ compiler: string, glibc: string, folder: string, shim: string }} options
 *   compiler: command, for example aarch64-linux-gnu-g++; shim: source of symbols that the static libraries use and the
 *   oldest glibc does not have
 */
export function makeStandIns({ compiler, glibc, folder, shim }) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  /** @param {string[]} args */
  const compile = (...args) => execFileSync(compiler, args, { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'] });
  /** @param {string} name */
  const installed = (name) => execFileSync(compiler, [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();

  for (const name of ['libc.so.6', 'libm.so.6']) {
    const symbols = exportsUpTo(installed(name), glibc);
    writeFileSync(join(folder, `${name}.s`), standInSource(symbols));
    writeFileSync(join(folder, `${name}.map`), versionScript(symbols));
    compile('-shared', '-nostdlib', `-Wl,-soname,${name},--version-script,${name}.map`, `${name}.s`, '-o', name);
  }
  compile('-O2', '-fPIC', '-fvisibility=hidden', '-fno-exceptions', '-c', shim, '-o', 'shim.o');
  // `-lc` and `-lm` find these first.
  const loader = `AS_NEEDED ( ${installed(loaderOf(compiler))} )`;
  const rest = `${join(folder, 'shim.o')} ${installed('libc_nonshared.a')} ${loader}`;
  writeFileSync(join(folder, 'libc.so'), `GROUP ( ${join(folder, 'libc.so.6')} ${rest} )\n`);
  writeFileSync(join(folder, 'libm.so'), `GROUP ( ${join(folder, 'libm.so.6')} )\n`);
}

/** @param {string} compiler */
function loaderOf(compiler) {
  return compiler.startsWith('aarch64') ? 'ld-linux-aarch64.so.1' : 'ld-linux-x86-64.so.2';
}
