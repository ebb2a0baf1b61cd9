import { readFile } from 'node:fs/promises';
import { PrivilegeError } from '../errors.js';

/** Bits of a capability set (capabilities(7)). */
const NEEDED = [
  { bit: 12n, name: 'CAP_NET_ADMIN' },
  { bit: 21n, name: 'CAP_SYS_ADMIN' },
] as const;

/** @throws PrivilegeError naming the capability that this process lacks */
export async function requirePrivileges(operation: string): Promise<void> {
  const status = await readFile('/proc/self/status', 'utf8');
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`);
  for (const { bit, name } of NEEDED) {
    if ((effective & (1n << bit)) === 0n) throw new PrivilegeError(name, operation);
  }
}
