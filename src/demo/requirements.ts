import { access, constants, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MissingProgramError, PrivilegeError } from '../errors.js';
import { searchPath } from './tools.js';

/** Programs the demo shows or checks with, and the Debian package of each. */
export const programs: Readonly<Record<string, string>> = {
  dnsmasq: 'dnsmasq-base',
  ip: 'iproute2',
  bridge: 'iproute2',
  nft: 'nftables',
  ping: 'iputils-ping',
  tcpdump: 'tcpdump',
  busybox: 'busybox',
};

/** Bits of the capability sets in /proc/self/status. */
const capabilities = { CAP_NET_ADMIN: 12n, CAP_NET_RAW: 13n, CAP_SYS_ADMIN: 21n };

/**
 * @param path where programs are looked for
 * @throws PrivilegeError, MissingProgramError: the first thing this process or machine lacks
 */
export async function checkRequirements(path = searchPath): Promise<void> {
  const status = await readFile('/proc/self/status', 'utf8');
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  for (const [name, bit] of Object.entries(capabilities)) {
    if ((effective & (1n << bit)) === 0n) {
      throw new PrivilegeError(name, 'the demo (run it as root)');
    }
  }
  for (const [program, debianPackage] of Object.entries(programs)) {
    if (!(await isInstalled(program, path))) {
      throw new MissingProgramError(program, debianPackage);
    }
  }
}

async function isInstalled(program: string, path: string): Promise<boolean> {
  for (const folder of path.split(':').filter((entry) => entry !== '')) {
    try {
      await access(join(folder, program), constants.X_OK);
      return true;
    } catch {
      // Look on.
    }
  }
  return false;
}
