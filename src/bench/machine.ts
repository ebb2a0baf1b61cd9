import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { attempt } from '../demo/tools.js';
import { delayOf, RESOLUTION } from './delay.js';

/** Duration of the measurement of the idle event loop, in milliseconds. */
const IDLE = 1000;

/** The machine on which the benchmark ran. */
export interface Machine {
  cpu: string;
  cpus: number;
  /** In GiB. */
  memory: number;
  kernel: string;
  node: string;
  /** File system of the state folder. */
  disk: string;
  /** Load average of the last minute before the first run. Results of a busy machine are less reliable. */
  load: number;
  /** Delay of the event loop of an idle process, in milliseconds (p99): the lower bound of all measured delays. */
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
