import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { NotRunError } from './attempt.js';
import type { TestNamespace } from './namespaces.js';

/** Parameters of a DHCP lease, by udhcpc's names: `ip`, `subnet`, `router`, `dns`, `domain`, `mtu`, `broadcast`, `serverid`, … */
export type DhcpAnswer = Record<string, string>;

const ACTION = `#!/bin/sh
[ "$1" = bound ] || exit 0
env > "$VETHWORK_ANSWER"
ip address flush dev "$interface"
ip address add "$ip/$mask" dev "$interface"
[ -z "$router" ] || ip route replace default via "$router"
`;

/**
 * Requests a lease with busybox's DHCP client, and sets its address and default route.
 * @param options `quick`: timeout of one second, for tests that expect no lease; `args`: further arguments of udhcpc
 * @returns the lease, or `undefined` without one
 * @throws NotRunError if the client cannot send
 */
export async function askForLease(
  namespace: TestNamespace,
  device: string,
  options: { quick?: boolean; args?: string[] } = {},
): Promise<DhcpAnswer | undefined> {
  const folder = await mkdtemp(path.join(tmpdir(), 'vethwork-udhcpc-'));
  try {
    const script = path.join(folder, 'action');
    const answer = path.join(folder, 'answer');
    await writeFile(script, ACTION);
    await chmod(script, 0o755);
    const patience = options.quick ? ['-t', '2', '-T', '1'] : ['-t', '5', '-T', '1'];
    const wanted = ['mtu', 'broadcast', 'domain'].flatMap((name) => ['-O', name]);
    const udhcpc = [
      'udhcpc',
      '-i',
      device,
      '-f',
      '-n',
      '-q',
      '-s',
      script,
      ...patience,
      ...wanted,
      ...(options.args ?? []),
    ];
    const outcome = await namespace.attempt('env', `VETHWORK_ANSWER=${answer}`, 'busybox', ...udhcpc);
    if (outcome.exitCode !== 0) {
      if (outcome.stderr.includes('no lease, failing')) return undefined;
      throw new NotRunError(`udhcpc on ${device} in ${namespace.name}: ${outcome.stderr}`);
    }
    const lines = (await readFile(answer, 'utf8')).split('\n').filter((line) => line.includes('='));
    return Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
