import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { searchPath } from '../demo/tools.js';
import { PrivilegeError, VethworkError } from '../errors.js';
import type { InnerMessage, InnerOptions } from './inner.js';
import type { BenchReport } from './types.js';

/** The benchmark program failed. */
export class BenchError extends VethworkError {
  readonly code = 'ERR_VETHWORK_BENCH';
}

/**
 * New network, mount and PID namespaces: the kernel removes everything when the measuring process ends, for any reason.
 * A shell is the first process (PID 1), because PID 1 has to reap daemons that exit.
 */
const UNSHARE = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', '--propagation', 'private'];
/** An empty /run: it hides the machine's namespaces, leases and locks, and the benchmark writes none of them there. */
const PREPARE = 'mount -t tmpfs tmpfs /run && "$@"; exit $?';

const program = fileURLToPath(new URL('./inner.js', import.meta.url));

/**
 * Measures in a separate process and namespaces.
 * @throws PrivilegeError without root, BenchError if the benchmark failed, the signal's reason if it was aborted
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
    // Does not receive the terminal's Ctrl-C: the signal's handler below kills it.
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
