import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { run, StepError } from './process.mjs';

/**
 * A Debian package, and what shows that it is there: the name of a program or the path of a file.
 * @typedef {readonly [name: string, shownBy: string]} DebianPackage
 */

/** @type {readonly DebianPackage[]} */
const build = [
  ['g++', 'g++'],
  ['make', 'make'],
  ['cmake', 'cmake'],
  ['python3', 'python3'],
  ['doctest-dev', '/usr/include/doctest/doctest.h'],
];

/** @type {readonly DebianPackage[]} What the tests ask for the truth, and the clients in tests and demonstration. */
const oracles = [
  ['iproute2', 'ip'],
  ['nftables', 'nft'],
  ['iptables', 'iptables'],
  ['bridge-utils', 'brctl'],
  ['conntrack', 'conntrack'],
  ['dnsmasq-base', 'dnsmasq'],
  ['busybox', 'busybox'],
  ['udhcpc', 'udhcpc'],
  ['bind9-dnsutils', 'dig'],
  ['ethtool', 'ethtool'],
  ['iputils-ping', 'ping'],
  ['tcpdump', 'tcpdump'],
  ['python3-scapy', '/usr/lib/python3/dist-packages/scapy'],
  ['socat', 'socat'],
  ['strace', 'strace'],
  ['python3-scapy', '/usr/lib/python3/dist-packages/scapy'],
  ['procps', 'pgrep'],
  // Judges the agent's unit.
  ['systemd', 'systemd-analyze'],
  // The cluster's store, and certificates for it.
  ['etcd-server', 'etcd'],
  ['etcd-client', 'etcdctl'],
  ['openssl', 'openssl'],
];

/** Packages by what they are for: `base` is what building, testing and the demonstration need. */
export const packages = {
  base: [...build, ...oracles],
  /** @type {readonly DebianPackage[]} */
  lint: [['clang-format', 'clang-format']],
  /** @type {readonly DebianPackage[]} What the benchmark compares with. */
  bench: [
    ['python3-pyroute2', '/usr/lib/python3/dist-packages/pyroute2'],
    ['containernetworking-plugins', '/usr/lib/cni/bridge'],
    ['netavark', '/usr/lib/podman/netavark'],
  ],
  /** @type {readonly DebianPackage[]} */
  fuzz: [
    ['clang', 'clang++'],
    // clang only recommends it: the run-time libraries of the fuzzer and the sanitizers.
    ['libclang-rt-14-dev', '/usr/lib/llvm-14/lib/clang/14.0.6/lib/linux'],
  ],
};

/** Services that Debian would start with their package, now and whenever the machine starts. The tests start their own. */
const services = new Map([['etcd-server', 'etcd.service']]);

// Debian's daemons and network tools live in sbin, which an ordinary user's PATH leaves out.
const searchPath = [...(process.env.PATH ?? '').split(':'), '/usr/local/sbin', '/usr/sbin', '/sbin'];

/** @param {string} shownBy */
function isThere(shownBy) {
  if (shownBy.startsWith('/')) return existsSync(shownBy);
  return searchPath.some((folder) => existsSync(`${folder}/${shownBy}`));
}

/**
 * Installs the packages that are missing, and nothing if none is.
 * @param {readonly DebianPackage[]} wanted
 * @returns {Promise<string[]>} names of what was installed
 */
export async function ensurePackages(wanted) {
  const missing = wanted.filter(([, shownBy]) => !isThere(shownBy)).map(([name]) => name);
  if (missing.length === 0) return [];

  const names = missing.join(' ');
  if (!existsSync('/usr/bin/apt-get')) {
    throw new StepError(`these Debian packages, or what your distribution calls them, are missing: ${names}`);
  }
  if (process.getuid?.() !== 0) {
    throw new StepError(`some packages are missing and only root can install them: sudo apt-get install ${names}`);
  }
  console.log(`setup: installing Debian packages ${names}`);
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  // Another apt-get may be at work on a machine that has just started.
  const patient = ['-q', '-o', 'DPkg::Lock::Timeout=300'];
  await run('apt-get', [...patient, 'update'], { env });
  await withoutServices(missing, () =>
    run('apt-get', [...patient, 'install', '-y', '--no-install-recommends', ...missing], { env }),
  );
  return missing;
}

/**
 * Installs without any service being started.
 * @param {readonly string[]} names
 * @param {() => Promise<unknown>} install
 */
async function withoutServices(names, install) {
  const units = names.flatMap((name) => services.get(name) ?? []);
  if (units.length === 0) return void (await install());
  if (!existsSync('/run/systemd/system')) return withPolicy(install);
  await run('systemctl', ['mask', '--runtime', ...units]);
  try {
    await install();
  } finally {
    await run('systemctl', ['unmask', '--runtime', ...units]);
  }
  await run('systemctl', ['disable', ...units]);
}

/** What Debian's maintainer scripts ask before they start anything: 101 is no. */
const POLICY = '/usr/sbin/policy-rc.d';

/**
 * For init systems other than systemd. Containers often have a policy of their own, which is left as it is.
 * @param {() => Promise<unknown>} install
 */
async function withPolicy(install) {
  if (existsSync(POLICY)) return void (await install());
  await writeFile(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755, flag: 'wx' });
  try {
    await install();
  } finally {
    await rm(POLICY);
  }
}
