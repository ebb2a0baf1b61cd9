import { execFile } from 'node:child_process';
import type { Datagram, Kernel, RunResult } from '../../src/kernel/kernel.js';
import type { NamespaceRef } from '../../src/kernel/namespace.js';
import { sh } from './namespaces.js';

const SEND = `
import base64, json, socket, sys
d = json.loads(sys.argv[1])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
if d.get('device'): s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, d['device'].encode())
s.bind((d.get('sourceAddress', ''), d.get('sourcePort', 0)))
s.sendto(base64.b64decode(d['payload']), (d['destination'], d['port']))
`;

/** The kernel interface that the dnsmasq supervisor needs, implemented with external programs. */
export const shellKernel: Pick<Kernel, 'run' | 'sendDatagram'> = {
  run(file, args, { netns, timeout }): Promise<RunResult> {
    return new Promise((resolve, reject) => {
      const [program, ...rest] = [...inside(netns), file, ...args];
      execFile(program as string, rest, { timeout: timeout ?? 0 }, (error, _stdout, stderr) => {
        if (error !== null && typeof error.code !== 'number') reject(error);
        else resolve({ exitCode: error === null ? 0 : (error.code as number), stderr });
      });
    });
  },

  async sendDatagram({ netns, payload, ...datagram }: Datagram): Promise<void> {
    const encoded = JSON.stringify({ ...datagram, payload: Buffer.from(payload).toString('base64') });
    const [program, ...rest] = [...inside(netns), 'python3', '-c', SEND, encoded];
    await sh(program as string, ...rest);
  },
};

function inside(netns: NamespaceRef | undefined): string[] {
  if (netns === undefined) return [];
  if (typeof netns === 'number') return ['nsenter', '-t', String(netns), '-n'];
  return netns.startsWith('/') ? ['nsenter', `--net=${netns}`] : ['ip', 'netns', 'exec', netns];
}
