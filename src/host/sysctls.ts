import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { ReadOnlySysctlError } from '../errors.js';

/** A sysctl that every host and every network needs to write. */
const PROBE = 'net.ipv4.ip_forward';
/**
 * Files of the same mount, relative to the root folder. The first is preferred: opening a file of `ipv4` takes longer with
 * each namespace whose files of `ipv4` were opened. It does not exist in the namespaces of other users.
 */
const PROBE_FILES = ['proc/sys/net/core/somaxconn', 'proc/sys/net/ipv4/ip_forward'];

/** What makes /proc/sys writable in a container: options of docker-run(1) and podman-run(1). */
export const SYSCTL_REMEDY =
  'run the container with a writable one (docker: --security-opt systempaths=unconfined, podman: --security-opt unmask=ALL, or --privileged)';

/**
 * Checks that sysctls can be written: container engines mount /proc/sys read-only, and every namespace and link needs
 * some. Nothing is written.
 * @throws ReadOnlySysctlError
 */
export async function requireWritableSysctls(): Promise<void> {
  if (await areSysctlsReadOnly()) throw new ReadOnlySysctlError(PROBE, SYSCTL_REMEDY);
}

/** True if the file system of the sysctls is mounted read-only. @param root folder of the machine's files */
export async function areSysctlsReadOnly(root = '/'): Promise<boolean> {
  for (const file of PROBE_FILES) {
    try {
      // Not access(2), which checks with the real user id.
      closeSync(openSync(join(root, file), 'r+'));
      return false;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT') return code === 'EROFS';
    }
  }
  return false;
}
