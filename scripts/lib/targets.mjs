/**
 * The systems for which the addon is built beforehand. README.md names the bounds, and test/integration/project/platforms.test.ts
 * compares.
 */

/** The oldest C library that the addon and vethwork-enter load on: what official builds of Node.js need themselves. */
export const oldestGlibc = '2.28';

/** The same for lmdb's own binaries: the store of a lone host needs newer systems. */
export const lmdbBounds = { glibc: '2.34', libstdcxx: '3.4.29' };

/**
 * @typedef {object} Target
 * @property {string} name
 * @property {string} arch as Node.js calls it
 * @property {string} prefix of the tools' names
 */

/** @type {readonly Target[]} */
export const targets = [
  { name: 'linux-x64', arch: 'x64', prefix: 'x86_64-linux-gnu-' },
  { name: 'linux-arm64', arch: 'arm64', prefix: 'aarch64-linux-gnu-' },
];

/** @param {Target} target */
export const addonOf = ({ name }) => `prebuilds/${name}/vethwork.glibc.node`;

/** @param {Target} target */
export const programOf = ({ name }) => `prebuilds/${name}/vethwork-enter`;

/** @param {string} [arch] */
export function targetOf(arch = process.arch) {
  return targets.find((target) => target.arch === arch);
}

/** What a binary may be linked with: any system on which Node.js runs has these. */
export const librariesAllowed = [/^lib(c|m|pthread|dl)\.so\.\d$/, /^libgcc_s\.so\.1$/, /^ld-linux-.+\.so\.\d$/];
