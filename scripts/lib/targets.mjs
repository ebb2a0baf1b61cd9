/**
 * Systems with a prebuilt addon. README.md documents them, and test/integration/project/platforms.test.ts compares both.
 */

/** The oldest glibc for the addon and vethwork-enter: the oldest that official builds of Node.js support. */
export const oldestGlibc = '2.28';

/** The oldest libraries for the binaries of lmdb, the store of a lone host. */
export const lmdbBounds = { glibc: '2.34', libstdcxx: '3.4.29' };

/**
 * @typedef {object} Target
 * @property {string} name
 * @property {string} arch value of process.arch
 * @property {string} prefix prefix of the compiler tools
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

/** Libraries that a binary may be linked with. Node.js needs them too. */
export const librariesAllowed = [/^lib(c|m|pthread|dl)\.so\.\d$/, /^libgcc_s\.so\.1$/, /^ld-linux-.+\.so\.\d$/];
