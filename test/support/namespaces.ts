import { type ChildProcess, execFile, type SpawnOptions, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { attempt, type Outcome } from './attempt.js';
import { patience } from './patience.js';

export { attempt } from './attempt.js';

const execFileAsync = promisify(execFile);

/** Runs a foreign program to its end and gives its standard output. Rejects, naming its standard error, if it fails. */
export async function sh(file: string, ...args: string[]): Promise<string> {
  const { stdout } = await execFileAsync(file, args, { maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}

/** As `sh`, with the output read as JSON (`ip -j`, `nft -j`, `bridge -j`). */
export async function json<Value = unknown>(file: string, ...args: string[]): Promise<Value> {
  return JSON.parse((await sh(file, ...args)) || '[]') as Value;
}

/** True where network namespaces can be made: suites use `describe.skipIf(!privileged)`. */
export const privileged = process.getuid?.() === 0;

/** A network namespace of the test's own, made and removed with iproute2. */
export class TestNamespace {
  private constructor(readonly name: string) {}

  /** @param label goes into the name, which is unique. Name it exactly with `exact` where the name matters. */
  static async create(label = 'ns', options: { exact?: boolean; loopback?: boolean } = {}): Promise<TestNamespace> {
    const namespace = new TestNamespace(options.exact ? label : uniqueName(label));
    await sh('ip', 'netns', 'add', namespace.name);
    if (options.loopback ?? true) await namespace.ip('link', 'set', 'lo', 'up');
    return namespace;
  }

  /** One that exists already. */
  static named(name: string): TestNamespace {
    return new TestNamespace(name);
  }

  get path(): string {
    return `/run/netns/${this.name}`;
  }

  /** Runs a program inside, to its end. */
  run(file: string, ...args: string[]): Promise<string> {
    return sh('ip', 'netns', 'exec', this.name, file, ...args);
  }

  /** As `run`, resolving whatever the exit code is; see `attempt`. */
  attempt(file: string, ...args: string[]): Promise<Outcome> {
    return attempt('ip', 'netns', 'exec', this.name, file, ...args);
  }

  /** `ip -n <name> …` */
  ip(...args: string[]): Promise<string> {
    return sh('ip', '-n', this.name, ...args);
  }

  /** Starts a program inside and leaves it running; `ip netns exec` becomes the program, so its pid is the child's. */
  spawn(file: string, args: string[], options: SpawnOptions = {}): ChildProcess {
    return spawn('ip', ['netns', 'exec', this.name, file, ...args], options);
  }

  /** Ends every process inside, then removes the namespace. Does nothing if it is gone. */
  async remove(): Promise<void> {
    const { stdout } = await attempt('ip', 'netns', 'pids', this.name);
    for (const pid of stdout.split('\n').filter(Boolean)) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // it has ended by itself
      }
    }
    await attempt('ip', 'netns', 'delete', this.name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.remove();
  }
}

/** A name no other test run uses: `vwt-<label>-<8 hex digits>`. */
export function uniqueName(label: string): string {
  return `vwt-${label}-${randomBytes(4).toString('hex')}`;
}

/** Joins two namespaces by a veth pair; both ends are up. */
export async function connect(
  [left, leftDevice]: readonly [TestNamespace, string],
  [right, rightDevice]: readonly [TestNamespace, string],
): Promise<void> {
  await left.ip('link', 'add', leftDevice, 'type', 'veth', 'peer', 'name', rightDevice, 'netns', right.name);
  await left.ip('link', 'set', leftDevice, 'up');
  await right.ip('link', 'set', rightDevice, 'up');
}

/**
 * Asks again until `probe` gives something true; rejects after `timeout` milliseconds, a bound against hanging only, which
 * is longer where processes are slow.
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
 * Looks again until nothing is found any more; resolves to what was found last if that takes longer than `timeout` milliseconds.
 * What a look rejects with is nobody's finding: it rejects.
 */
export async function lastFindings(look: () => Promise<readonly string[]>, timeout = 60_000): Promise<string[]> {
  const end = Date.now() + patience(timeout);
  for (;;) {
    const found = await look();
    if (found.length === 0 || Date.now() > end) return [...found];
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
