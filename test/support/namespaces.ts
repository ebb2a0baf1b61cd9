import { type ChildProcess, execFile, type SpawnOptions, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { attempt, type Outcome } from './attempt.js';
import { patience } from './patience.js';

export { attempt } from './attempt.js';

const execFileAsync = promisify(execFile);

/** Runs an external program to its end and resolves to its standard output. Rejects with its standard error if it fails. */
export async function sh(file: string, ...args: string[]): Promise<string> {
  const { stdout } = await execFileAsync(file, args, { maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}

/** As `sh`; parses the output as JSON (`ip -j`, `nft -j`, `bridge -j`). */
export async function json<Value = unknown>(file: string, ...args: string[]): Promise<Value> {
  return JSON.parse((await sh(file, ...args)) || '[]') as Value;
}

/** True if the process may create network namespaces. Suites use `describe.skipIf(!privileged)`. */
export const privileged = process.getuid?.() === 0;

/** A network namespace of a test. iproute2 creates and removes it. */
export class TestNamespace {
  private constructor(readonly name: string) {}

  /** @param label part of the unique name. `exact` sets the complete name. */
  static async create(label = 'ns', options: { exact?: boolean; loopback?: boolean } = {}): Promise<TestNamespace> {
    const namespace = new TestNamespace(options.exact ? label : uniqueName(label));
    await sh('ip', 'netns', 'add', namespace.name);
    if (options.loopback ?? true) await namespace.ip('link', 'set', 'lo', 'up');
    return namespace;
  }

  /** An existing namespace. */
  static named(name: string): TestNamespace {
    return new TestNamespace(name);
  }

  get path(): string {
    return `/run/netns/${this.name}`;
  }

  /** Runs a program in the namespace to its end. */
  run(file: string, ...args: string[]): Promise<string> {
    return sh('ip', 'netns', 'exec', this.name, file, ...args);
  }

  /** As `run`, but resolves for every exit code; see `attempt`. */
  attempt(file: string, ...args: string[]): Promise<Outcome> {
    return attempt('ip', 'netns', 'exec', this.name, file, ...args);
  }

  /** `ip -n <name> …` */
  ip(...args: string[]): Promise<string> {
    return sh('ip', '-n', this.name, ...args);
  }

  /** Starts a program in the namespace. `ip netns exec` executes the program, so that its pid is that of the child. */
  spawn(file: string, args: string[], options: SpawnOptions = {}): ChildProcess {
    return spawn('ip', ['netns', 'exec', this.name, file, ...args], options);
  }

  /** Kills all processes of the namespace, then removes it. Does nothing if it does not exist. */
  async remove(): Promise<void> {
    const { stdout } = await attempt('ip', 'netns', 'pids', this.name);
    for (const pid of stdout.split('\n').filter(Boolean)) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // The process has already ended.
      }
    }
    await attempt('ip', 'netns', 'delete', this.name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.remove();
  }
}

/** A unique name: `vwt-<label>-<8 hex digits>`. */
export function uniqueName(label: string): string {
  return `vwt-${label}-${randomBytes(4).toString('hex')}`;
}

/** Connects two namespaces with a veth pair; both ends are up. */
export async function connect(
  [left, leftDevice]: readonly [TestNamespace, string],
  [right, rightDevice]: readonly [TestNamespace, string],
): Promise<void> {
  await left.ip('link', 'add', leftDevice, 'type', 'veth', 'peer', 'name', rightDevice, 'netns', right.name);
  await left.ip('link', 'set', leftDevice, 'up');
  await right.ip('link', 'set', rightDevice, 'up');
}

/**
 * Polls until `probe` returns a truthy value. Rejects after `timeout` milliseconds, multiplied on slow systems. The timeout
 * only detects a hanging test.
 */
export async function eventually<Value>(probe: () => Value | Promise<Value>, timeout = 60_000): Promise<Value> {
  const end = Date.now() + patience(timeout);
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (Date.now() > end) throw new Error(`nothing after ${patience(timeout)} ms: ${probe}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/**
 * Polls until there are no findings. Resolves to the last findings after `timeout` milliseconds. Rejects if the probe
 * rejects.
 */
export async function lastFindings(look: () => Promise<readonly string[]>, timeout = 60_000): Promise<string[]> {
  const end = Date.now() + patience(timeout);
  for (;;) {
    const found = await look();
    if (found.length === 0 || Date.now() > end) return [...found];
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
