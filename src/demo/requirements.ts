import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { MissingProgramError, PrivilegeError } from '../errors.js';
import { missingCapabilities } from '../util/capability.js';
import { searchPath } from './tools.js';

/** Programs that the demo runs, with the Debian package of each. */
export const programs: Readonly<Record<string, string>> = {
  dnsmasq: 'dnsmasq-base',
  ip: 'iproute2',
  bridge: 'iproute2',
  nft: 'nftables',
  ping: 'iputils-ping',
  tcpdump: 'tcpdump',
  busybox: 'busybox',
};

/**
 * @param path search path of the programs
 * @throws PrivilegeError, MissingProgramError for the first missing capability or program
 */
export async function checkRequirements(path = searchPath): Promise<void> {
  const [missing] = await missingCapabilities(['CAP_NET_ADMIN', 'CAP_NET_RAW', 'CAP_SYS_ADMIN']);
  if (missing !== undefined) throw new PrivilegeError(missing, 'the demo (run it as root)');
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
      // Try the next folder.
    }
  }
  return false;
}
