import { PrivilegeError } from '../errors.js';
import { type Capability, lackedCapabilities } from '../util/capability.js';

/** For links, addresses and rules; for making and entering namespaces. */
export const HOST_CAPABILITIES: readonly Capability[] = ['CAP_NET_ADMIN', 'CAP_SYS_ADMIN'];

/** @throws PrivilegeError naming the capability that this process lacks */
export async function requirePrivileges(
  operation: string,
  wanted: readonly Capability[] = HOST_CAPABILITIES,
): Promise<void> {
  const [lacked] = await lackedCapabilities(wanted);
  if (lacked !== undefined) throw new PrivilegeError(lacked, operation);
}
