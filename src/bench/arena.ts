import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { searchPath } from '../demo/tools.js';
import { PrivilegeError, VethworkError } from '../errors.js';
import type { InnerMessage, InnerOptions } from './inner.js';
import type { BenchReport } from './types.js';

/** The benchmark itself could not be carried out. */
export class BenchError extends VethworkError {
  readonly code = 'ERR_VETHWORK_BENCH';
}

/**
 * Network, mounts and processes of their own: whatever becomes of the process that measures, the kernel takes all of it
 * away. A shell is the first process in it, as something has to wait for daemons that end.
 */
const UNSHARE = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', '--propagation', 'private'];
/** Nobody's names, pins, leases and locks are seen, and none of ours. */
const PREPARE = 'mount -t tmpfs tmpfs /run && "$@"; exit $?';

const program = fileURLToPath(new URL('./inner.js', import.meta.url));

/**
 * Measures in a separate process and namespaces.
 * @throws PrivilegeError without root, BenchError if it broke down, the signal's reason if it was aborted
 */
export async function measureInArena(
  options: InnerOptions,
  { signal, progress }: { signal: AbortSignal; progress: (text: string) => void },
): Promise<Omit<BenchReport, 'vethwork' | 'date'>> {
  signal.throwIfAborted();
  const command = ['sh', '-c', PREPARE, 'sh', process.execPath, program, JSON.stringify(options)];
  const child = spawn('unshare', [...UNSHARE, ...command], {
    env: { ...process.env, PATH: searchPath },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    // Away from the terminal's Ctrl-C: it ends when it is told to, all of it at once.
    detached: true,
  });
  let stderr = '';
  let report: Omit<BenchReport, 'vethwork' | 'date'> | undefined;
  let failure: string | undefined;
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.on('message', (message: InnerMessage) => {
    if (message.kind === 'progress') progress(message.text);
    else if (message.kind === 'report') report = message.report;
    else failure = message.message;
  });
  const kill = () => child.kill('SIGKILL');
  signal.addEventListener('abort', kill, { once: true });
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    signal.throwIfAborted();
    if (report !== undefined) return report;
    if (/unshare failed: Operation not permitted/.test(stderr)) {
      throw new PrivilegeError('CAP_SYS_ADMIN', 'the benchmark (run it as root)');
    }
    throw new BenchError(failure ?? `the benchmark ended with exit code ${code}: ${stderr.trim()}`);
  } finally {
    signal.removeEventListener('abort', kill);
  }
}
