import { readFileSync } from 'node:fs';

/** Bits of a capability set (capabilities(7), linux/capability.h). */
const BITS = {
  CAP_CHOWN: 0n,
  CAP_SETGID: 6n,
  CAP_SETUID: 7n,
  CAP_NET_BIND_SERVICE: 10n,
  CAP_NET_ADMIN: 12n,
  CAP_NET_RAW: 13n,
  CAP_SYS_ADMIN: 21n,
} as const;

export type Capability = keyof typeof BITS;

/** Returns the capabilities that this process lacks (`CapEff` of /proc/self/status). */
export async function missingCapabilities(wanted: readonly Capability[]): Promise<Capability[]> {
  // procfs answers at once, and each step in the thread pool takes longer than all of it.
  const status = readFileSync('/proc/self/status', 'utf8');
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`);
  return wanted.filter((name) => (effective & (1n << BITS[name])) === 0n);
}
