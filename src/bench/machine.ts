import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { attempt } from '../demo/tools.js';
import { delayOf, RESOLUTION } from './delay.js';

/** How long to look at the idle event loop, in milliseconds. */
const IDLE = 1000;

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
  /** How late the event loop of a process is that does nothing, in milliseconds (p99): no busy one can be less. */
  idleLoop: number;
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
    idleLoop: await idleLoop(),
  };
}

async function idleLoop(): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION });
  delay.enable();
  await new Promise((resolve) => setTimeout(resolve, IDLE));
  delay.disable();
  return delayOf(delay).p99;
}
