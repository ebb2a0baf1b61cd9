import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { attempt } from '../demo/tools.js';

/** What it was measured on. */
export interface Machine {
  cpu: string;
  cpus: number;
  /** In GiB. */
  memory: number;
  kernel: string;
  node: string;
  /** File system of the state folder. */
  disk: string;
  /** Load average of the last minute before the first run: figures of a busy machine are worth less. */
  load: number;
}

export async function describeMachine(folder: string): Promise<Machine> {
  const found = await attempt(['findmnt', '-n', '-o', 'FSTYPE', '-T', folder]).catch(() => undefined);
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cpus: availableParallelism(),
    memory: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    disk: found?.stdout.trim() || 'unknown',
    load: loadavg()[0] ?? 0,
  };
}
