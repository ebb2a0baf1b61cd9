import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { ClusterHostOptions } from '../../src/index.js';
import { attempt, type Outcome } from './attempt.js';

/**
 * A node whose agent has a folder /run/netns of its own, as a machine has: two nodes can have a namespace of the same
 * network. `script` is the compiled `isolated-node-child.ts`.
 */
export class IsolatedNode implements AsyncDisposable {
  #agent: ChildProcess | undefined;

  private constructor(
    readonly script: string,
    readonly holder: ChildProcess,
  ) {}

  /** @param visible names of the namespaces that the node sees */
  static async create(script: string, visible: readonly string[]): Promise<IsolatedNode> {
    // The mount namespace exists as long as a process in it.
    const setUp = `set -e
      old=$(mktemp -d)
      mount --rbind /run/netns "$old"
      mount -t tmpfs none /run/netns
      for name in "$@"; do touch "/run/netns/$name"; mount --bind "$old/$name" "/run/netns/$name"; done
      umount -l "$old"
      rmdir "$old"
      echo ready
      exec sleep infinity`;
    const holder = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', setUp, 'sh', ...visible], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(holder.stdout as NodeJS.ReadableStream, 'data');
    return new IsolatedNode(script, holder);
  }

  /** Starts the agent; resolves when it has opened the node. */
  async start(options: ClusterHostOptions): Promise<void> {
    const agent = spawn(...this.#command(process.execPath, this.script), { stdio: ['ignore', 2, 2, 'ipc'] });
    this.#agent = agent;
    await once(agent, 'message');
    agent.send({ options });
    const [answer] = (await once(agent, 'message')) as [{ error?: string }];
    if (answer.error !== undefined) throw new Error(answer.error);
  }

  /** Runs a program that sees the namespaces of the node. */
  attempt(file: string, ...args: string[]): Promise<Outcome> {
    const [program, all] = this.#command(file, ...args);
    return attempt(program, ...all);
  }

  /** SIGTERM: the agent closes the node. SIGKILL: as a failure. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const agent = this.#agent;
    this.#agent = undefined;
    if (agent === undefined) return;
    const ended = once(agent, 'exit');
    agent.kill(signal);
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    const ended = once(this.holder, 'exit');
    this.holder.kill('SIGKILL');
    await ended;
  }

  #command(file: string, ...args: string[]): [string, string[]] {
    return ['nsenter', [`--mount=/proc/${this.holder.pid}/ns/mnt`, file, ...args]];
  }
}
