import { readFile } from 'node:fs/promises';

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

/** Capabilities of the list that are not in the effective set of this process. */
export async function missingCapabilities(wanted: readonly Capability[]): Promise<Capability[]> {
  const status = await readFile('/proc/self/status', 'utf8');
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`);
  return wanted.filter((name) => (effective & (1n << BITS[name])) === 0n);
}
