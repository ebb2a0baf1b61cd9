// Reads the requirements of a binary (libraries, symbol versions) with readelf(1).
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { compareVersions } from './portable.mjs';
import { root } from './process.mjs';
import { addonOf, librariesAllowed, oldestGlibc, programOf } from './targets.mjs';

/** The ELF field e_machine, as readelf prints it. */
const machines = { x64: 'Advanced Micro Devices X86-64', arm64: 'AArch64' };

/**
 * @param {string} path
 * @returns {{ machine: string, libraries: string[], versions: Map<string, string>, unversioned: string[] }} versions:
 *   newest required version of each kind, such as GLIBC; unversioned: undefined symbols without version, except weak ones
 */
export function needsOf(path) {
  const readelf = (/** @type {string[]} */ ...options) =>
    execFileSync('readelf', ['-W', ...options, path], { encoding: 'utf8', maxBuffer: 64 << 20 });
  /** @type {Map<string, string>} */
  const versions = new Map();
  /** @type {string[]} */
  const unversioned = [];
  for (const line of readelf('--dyn-syms').split('\n')) {
    const [, , , , bind, , section, symbol = ''] = line.trim().split(/\s+/);
    if (section !== 'UND' || symbol === '') continue;
    const [, kind, version = ''] = /@([A-Z]+)_([\d.]+)$/.exec(symbol) ?? [];
    if (kind === undefined) {
      if (bind === 'GLOBAL') unversioned.push(symbol);
    } else if (compareVersions(versions.get(kind) ?? '0', version) < 0) {
      versions.set(kind, version);
    }
  }
  return {
    machine: /Machine:\s+(.+)/.exec(readelf('--file-header'))?.[1] ?? '',
    libraries: [...readelf('--dynamic').matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(([, name = '']) => name),
    versions,
    unversioned,
  };
}

/**
 * Problems of a packed binary. The list is empty if it loads on every documented system.
 * @param {string} path
 * @param {string} arch value of process.arch
 * @param {{ glibc?: string, libstdcxx?: string | undefined }} [bounds] newest versions that it may require; without
 *   `libstdcxx`, the library is linked statically
 * @returns {string[]}
 */
export function faultsOf(path, arch, { glibc = oldestGlibc, libstdcxx } = {}) {
  const { machine, libraries, versions, unversioned } = needsOf(path);
  const faults = [];
  if (machine !== machines[/** @type {keyof typeof machines} */ (arch)]) faults.push(`is for ${machine}, not ${arch}`);
  for (const [kind, bound] of Object.entries({ GLIBC: glibc, GLIBCXX: libstdcxx ?? '0' })) {
    const version = versions.get(kind) ?? '0';
    if (compareVersions(version, bound) > 0) faults.push(`needs ${kind}_${version}, newer than ${bound}`);
  }
  for (const name of libraries) {
    const allowed = librariesAllowed.some((pattern) => pattern.test(name)) || (libstdcxx && name === 'libstdc++.so.6');
    if (!allowed) faults.push(`is linked with ${name}`);
  }
  // Symbols of libraries have a version, except those of Node.js.
  const unknown = libstdcxx ? [] : unversioned.filter((name) => !/^(napi|node_api)_/.test(name));
  if (unknown.length > 0) faults.push(`needs ${unknown.join(', ')}, which glibc ${glibc} does not have`);
  return faults.map((fault) => `${path} ${fault}`);
}

/** @param {import('./targets.mjs').Target} target */
export function faultsOfTarget(target) {
  return [addonOf(target), programOf(target)].flatMap((path) => faultsOf(join(root, path), target.arch));
}
