import { PrivilegeError } from '../errors.js';
import { type Capability, missingCapabilities } from '../util/capability.js';

/**
 * For links, addresses and rules (CAP_NET_ADMIN); to create and enter namespaces (CAP_SYS_ADMIN). See capabilities(7).
 */
export const HOST_CAPABILITIES: readonly Capability[] = ['CAP_NET_ADMIN', 'CAP_SYS_ADMIN'];

/** Checks the capabilities of this process. @throws PrivilegeError with the missing capability */
export async function requirePrivileges(
  operation: string,
  wanted: readonly Capability[] = HOST_CAPABILITIES,
): Promise<void> {
  const [lacked] = await missingCapabilities(wanted);
  if (lacked !== undefined) throw new PrivilegeError(lacked, operation);
}
