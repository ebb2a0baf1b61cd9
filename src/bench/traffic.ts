import { attempt, inside, start } from '../demo/tools.js';
import type { Kernel } from '../kernel/index.js';
import { VerificationError } from './verify.js';

/** The way of packets from a client to a server, in two namespaces. */
export interface Path {
  client: string;
  server: string;
  /** Address of the server as the client sees it. */
  address: string;
  /** The end whose address is translated on the way, if any. */
  translated?: 'client' | 'server';
}

export type Protocol = 'TCP' | 'UDP';

/** Payload of a UDP datagram, in bytes. */
const DATAGRAM = '64';
/** Seconds of a measurement. */
const DURATION = ['-t', '1'];
/** Bytes of a quick measurement. */
const QUICK: Record<Protocol, string[]> = { TCP: ['-n', '64M'], UDP: ['-n', '1M'] };

interface Sum {
  bits_per_second: number;
  packets: number;
  lost_packets: number;
  seconds: number;
}

/**
 * Verifies that a connection passes, with the expected address translation.
 * @throws VerificationError, KernelError
 */
export async function verifyPath(kernel: Kernel, { client, server, address, translated }: Path): Promise<void> {
  const listener = await kernel.listen({ netns: server, address: '0.0.0.0', port: 0 });
  try {
    const place = listener.address();
    const port = place !== null && typeof place === 'object' ? place.port : 0;
    const accepted = new Promise<{ client?: string | undefined; server?: string | undefined }>((resolve) => {
      listener.once('connection', (socket) => {
        resolve({ client: socket.remoteAddress, server: socket.localAddress });
        socket.destroy();
      });
    });
    const dialled = await kernel.dial({ netns: client, address, port });
    const seen = await accepted;
    const found = [
      ...(seen.client === dialled.localAddress ? [] : ['client']),
      ...(seen.server === address ? [] : ['server']),
    ];
    dialled.destroy();
    const expected = translated === undefined ? [] : [translated];
    if (found.join() !== expected.join()) {
      throw new VerificationError(`translated: ${found.join() || 'nothing'}, expected ${translated ?? 'nothing'}`);
    }
  } finally {
    listener.close();
  }
}

/**
 * Measures a path with iperf3.
 * @returns Gbit/s of payload for TCP; received packets per second with 64 bytes of payload for UDP
 * @throws Error with the message of iperf3
 */
export async function measurePath(path: Path, protocol: Protocol, isQuick: boolean): Promise<number> {
  const server = start(inside(path.server, 'iperf3', '-s', '--forceflush'));
  try {
    await server.until(/listening/);
    const amount = isQuick ? QUICK[protocol] : DURATION;
    const how = protocol === 'UDP' ? ['-u', '-b', '0', '-l', DATAGRAM] : [];
    const command = inside(path.client, 'iperf3', '-J', '-c', path.address, ...how, ...amount);
    const { code, stdout, stderr } = await attempt(command);
    const report = JSON.parse(stdout || '{}') as { error?: string; end?: { sum?: Sum; sum_received?: Sum } };
    if (code !== 0 || report.error !== undefined) throw new Error(`iperf3: ${report.error ?? stderr.trim()}`);
    const value = protocol === 'TCP' ? gigabits(report.end?.sum_received) : packets(report.end?.sum);
    if (!(value > 0)) throw new VerificationError('nothing was received');
    return value;
  } finally {
    await server.kill();
  }
}

const gigabits = (sum: Sum | undefined): number => (sum?.bits_per_second ?? 0) / 1e9;

function packets(sum: Sum | undefined): number {
  return sum === undefined ? 0 : (sum.packets - sum.lost_packets) / sum.seconds;
}
