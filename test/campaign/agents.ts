import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { AgentConfig } from '../../src/agent/config.js';
import type { TestCluster } from '../support/cluster.js';

const LINES = 300;

/** The agents of a cluster, one process per node. Node numbers begin with 1. */
export class Agents {
  readonly #processes = new Map<number, ChildProcess>();
  /** Recent output of the agents. */
  readonly log: string[] = [];

  /** @param script path of cluster-child.js */
  constructor(
    readonly cluster: TestCluster,
    readonly script: string,
  ) {}

  get running(): number[] {
    return [...this.#processes.keys()];
  }

  get stopped(): number[] {
    return this.cluster.nodes.map((_, index) => index + 1).filter((number) => !this.#processes.has(number));
  }

  async start(number: number): Promise<void> {
    const child = fork(this.script, { stdio: ['ignore', 2, 2, 'ipc'] });
    const [first] = await Promise.race([once(child, 'message'), once(child, 'exit')]);
    if (first !== 'ready') throw new Error(`the agent of node${number} does not start: ${first}`);
    this.#processes.set(number, child);
    child.on('message', (line: string) => {
      this.log.push(line.trim());
      if (this.log.length > LINES) this.log.shift();
    });
    const { folder } = this.cluster;
    const config: AgentConfig = {
      listen: join(folder, `node${number}.sock`),
      warnings: [],

      logLevel: 'debug',
      host: this.cluster.options(number),
    };
    child.send(config);
  }

  async stop(number: number, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#processes.get(number);
    if (child === undefined) return;
    this.#processes.delete(number);
    this.log.push(`node${number}: ${signal}`);
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.running.map((number) => this.stop(number, 'SIGTERM')));
  }
}
