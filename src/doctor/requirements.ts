import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { release } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { accountProblem } from '../dnsmasq/index.js';
import { findProgram } from '../dnsmasq/process.js';
import { MissingProgramError } from '../errors.js';
import { areSysctlsReadOnly, SYSCTL_REMEDY } from '../host/sysctls.js';
import { type Capability, missingCapabilities } from '../util/capability.js';
import type { Check, Finding } from './finding.js';

const NEEDED: Record<string, readonly [Capability, string][]> = {
  error: [
    ['CAP_NET_ADMIN', 'links, addresses, routes and nftables'],
    ['CAP_SYS_ADMIN', 'creating, entering and mounting network namespaces'],
  ],
  warning: [
    ['CAP_NET_RAW', 'dnsmasq (DHCP) and pings from inside a network'],
    ['CAP_NET_BIND_SERVICE', 'dnsmasq, which listens on ports 53 and 67'],
    ['CAP_SETUID', 'dnsmasq, which switches to an unprivileged user'],
    ['CAP_SETGID', 'dnsmasq, which switches to an unprivileged user'],
    ['CAP_CHOWN', 'dnsmasq, whose files belong to its group'],
  ],
};

/** Capabilities that only root needs, to change the user of dnsmasq. */
const TO_STEP_DOWN: readonly Capability[] = ['CAP_SETUID', 'CAP_SETGID', 'CAP_CHOWN'];

export const capabilities: Check = async () => {
  const isRoot = process.geteuid?.() === 0;
  const found = Object.entries(NEEDED).map(async ([severity, needed]) => {
    const lacked = await missingCapabilities(needed.map(([name]) => name));
    return needed
      .filter(([name]) => lacked.includes(name) && (isRoot || !TO_STEP_DOWN.includes(name)))
      .map(([name, use]) => ({
        severity: severity as 'error' | 'warning',
        code: 'capability',
        subject: name,
        problem: `this process lacks ${name}, which is needed for ${use}`,
        remedy: 'run as root, or grant the process this capability (SECURITY.md)',
      }));
  });
  return (await Promise.all(found)).flat();
};

const OLDEST_DNSMASQ = 2.9;

export const dnsmasq: Check = async () => {
  const about = { severity: 'error', code: 'dnsmasq', subject: 'dnsmasq' } as const;
  try {
    const { stdout } = await promisify(execFile)(await findProgram(), ['--version']);
    const version = /version (\d+\.\d+)/.exec(stdout)?.[1];
    if (version !== undefined && Number(version) >= OLDEST_DNSMASQ) return [];
    const problem = `dnsmasq has version ${version ?? 'unknown'}; the oldest tested version is 2.90`;
    return [{ ...about, severity: 'warning', problem, remedy: 'install a newer version' }];
  } catch (error) {
    if (!(error instanceof MissingProgramError)) throw error;
    const problem = 'dnsmasq is not installed: DHCP and DNS are not available';
    return [{ ...about, problem, remedy: `install it; the Debian package is ${error.debianPackage}` }];
  }
};

export const dnsmasqAccount: Check = async ({ root }) => {
  const problem = await accountProblem(join(root, 'etc'));
  if (problem === undefined) return [];
  const remedy = 'create a system account named dnsmasq with its own group (SECURITY.md)';
  return [{ severity: 'warning', code: 'dnsmasq-account', subject: 'dnsmasq', problem, remedy }];
};

const OLDEST_KERNEL = [5, 15] as const;

export const kernelVersion: Check = async () => {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  if (major > OLDEST_KERNEL[0] || (major === OLDEST_KERNEL[0] && minor >= OLDEST_KERNEL[1])) return [];
  const problem = `the kernel has version ${release()}; the oldest supported version is 5.15`;
  return [{ severity: 'warning', code: 'kernel', subject: release(), problem, remedy: 'use a newer kernel' }];
};

export const tunDevice: Check = async ({ root }) => {
  if (await isUsable(join(root, 'dev/net/tun'))) return [];
  const problem = '/dev/net/tun cannot be opened: taps cannot be created';
  const remedy = 'load the module tun, or give this user read and write permission';
  return [{ severity: 'warning', code: 'tun', subject: '/dev/net/tun', problem, remedy }];
};

/** Folders of pinned namespaces and of dnsmasq's files. */
const FOLDERS = ['run/netns', 'run/vethwork'];

export const folders: Check = async ({ root }) => {
  const found = FOLDERS.map(async (folder): Promise<Finding[]> => {
    const place = (await exists(join(root, folder))) ? folder : dirname(folder);
    if (await isUsable(join(root, place))) return [];
    const problem = `this user cannot write in /${place}: networks cannot be created`;
    const remedy = `create /${folder} as root, with this user as owner (SECURITY.md)`;
    return [{ severity: 'error', code: 'folder', subject: `/${folder}`, problem, remedy }];
  });
  return (await Promise.all(found)).flat();
};

export const writableSysctls: Check = async ({ root }) => {
  if (!(await areSysctlsReadOnly(root))) return [];
  const problem = '/proc/sys is mounted read-only: no sysctl can be set, and no network can be made';
  return [{ severity: 'error', code: 'sysctl-read-only', subject: '/proc/sys', problem, remedy: SYSCTL_REMEDY }];
};

const may = (path: string, mode: number) =>
  access(path, mode).then(
    () => true,
    () => false,
  );
const exists = (path: string) => may(path, constants.F_OK);
const isUsable = (path: string) => may(path, constants.R_OK | constants.W_OK);
