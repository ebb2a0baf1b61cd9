import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { run, StepError } from './process.mjs';

/**
 * A Debian package, and a program name or file path that exists if the package is installed.
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

/** @type {readonly DebianPackage[]} Programs that verify results, and clients of the tests and the demo. */
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
  ['python3-prometheus-client', '/usr/lib/python3/dist-packages/prometheus_client'],
  ['python3-scapy', '/usr/lib/python3/dist-packages/scapy'],
  ['socat', 'socat'],
  // The data path of the benchmark.
  ['iperf3', 'iperf3'],
  ['strace', 'strace'],
  ['procps', 'pgrep'],
  // A disk that fails.
  ['e2fsprogs', 'mkfs.ext4'],
  // systemd-analyze verifies the agent's unit.
  ['systemd', 'systemd-analyze'],
  // The store of the cluster, and its certificates.
  ['etcd-server', 'etcd'],
  ['etcd-client', 'etcdctl'],
  // A routing daemon that announces floating addresses.
  ['bird2', 'bird'],
  ['openssl', 'openssl'],
];

/** Packages by purpose. `base` is for the build, the tests and the demo. */
export const packages = {
  base: [...build, ...oracles],
  /** @type {readonly DebianPackage[]} */
  lint: [['clang-format', 'clang-format']],
  /** @type {readonly DebianPackage[]} Peers of the benchmark. */
  bench: [
    ['python3-pyroute2', '/usr/lib/python3/dist-packages/pyroute2'],
    ['containernetworking-plugins', '/usr/lib/cni/bridge'],
    ['netavark', '/usr/lib/podman/netavark'],
  ],
  /** @type {readonly DebianPackage[]} Cross compilers of `npm run prebuild:all`. */
  crossbuild: [['g++-aarch64-linux-gnu', 'aarch64-linux-gnu-g++']],
  /** @type {readonly DebianPackage[]} Emulators and system installers of `npm run test:platforms`. */
  platforms: [
    ['qemu-user', 'qemu-aarch64'],
    ['libc6-arm64-cross', '/usr/aarch64-linux-gnu/lib/libc.so.6'],
    ['libstdc++6-arm64-cross', '/usr/aarch64-linux-gnu/lib/libstdc++.so.6'],
    ['debootstrap', 'debootstrap'],
  ],
  /** @type {readonly DebianPackage[]} Emulator of `npm run test:vm`. */
  vm: [
    ['qemu-system-x86', 'qemu-system-x86_64'],
    ['cpio', 'cpio'],
    ['xz-utils', 'xz'],
  ],
  /** @type {readonly DebianPackage[]} */
  fuzz: [
    ['clang', 'clang++'],
    // Run-time libraries of the fuzzer and the sanitizers, which clang only recommends.
    ['libclang-rt-14-dev', '/usr/lib/llvm-14/lib/clang/14.0.6/lib/linux'],
  ],
};

/** Services that Debian starts at installation and at boot. They are disabled, because the tests start their own. */
const services = new Map([
  ['etcd-server', 'etcd.service'],
  ['bird2', 'bird.service'],
]);

// Debian installs daemons and network tools in sbin, which the PATH of ordinary users does not contain.
const searchPath = [...(process.env.PATH ?? '').split(':'), '/usr/local/sbin', '/usr/sbin', '/sbin'];

/** @param {string} shownBy */
function isThere(shownBy) {
  if (shownBy.startsWith('/')) return existsSync(shownBy);
  return searchPath.some((folder) => existsSync(`${folder}/${shownBy}`));
}

/**
 * Installs missing packages.
 * @param {readonly DebianPackage[]} wanted
 * @returns {Promise<string[]>} names of the installed packages
 */
export async function ensurePackages(wanted) {
  const missing = wanted.filter(([, shownBy]) => !isThere(shownBy)).map(([name]) => name);
  if (missing.length === 0) return [];

  const names = missing.join(' ');
  if (!existsSync('/usr/bin/apt-get')) {
    throw new StepError(`these Debian packages or their equivalents of your distribution are missing: ${names}`);
  }
  if (process.getuid?.() !== 0) {
    throw new StepError(`some packages are missing and only root can install them: sudo apt-get install ${names}`);
  }
  console.log(`setup: installing Debian packages ${names}`);
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  // Waits for another apt-get, for example on a machine that has just booted.
  const options = ['-q', '-o', 'DPkg::Lock::Timeout=300'];
  await run('apt-get', [...options, 'update'], { env });
  await withoutServices(missing, () =>
    run('apt-get', [...options, 'install', '-y', '--no-install-recommends', ...missing], { env }),
  );
  return missing;
}

/**
 * Installs packages without starting services.
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

/** Debian's maintainer scripts run this program before they start a service. Exit code 101 forbids the start. */
const POLICY = '/usr/sbin/policy-rc.d';

/**
 * For init systems other than systemd. An existing policy, as in containers, is not changed.
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
