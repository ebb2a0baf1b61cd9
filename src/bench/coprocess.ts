import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { searchPath } from '../demo/tools.js';

/** Last line of each response. The exit code follows, then the duration in milliseconds if the process measures it. */
export const DONE = '@done';

/** Positions of utime, stime, cutime and cstime in /proc/<pid>/stat, counted from the third field. */
const CPU_FIELDS = [11, 12, 13, 14];
/** Duration of a clock tick: USER_HZ is always 100. */
const TICK_MS = 10;

/** An operation of another process failed. */
export class CoprocessError extends Error {
  override readonly name = 'CoprocessError';
}

/**
 * A process that runs until it is closed and executes requests from standard input: a shell that runs commands, or an
 * interpreter with a library loaded.
 */
export class Coprocess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #stderr = '';
  #isOver = false;
  #lines: string[] = [];
  #settle: ((line: string | undefined) => void) | undefined;

  constructor(file: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.#child = spawn(file, args, {
      env: { ...process.env, PATH: searchPath, LC_ALL: 'C', ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    if (this.#child.stdout) {
      createInterface({ input: this.#child.stdout }).on('line', (line) => {
        if (line.startsWith(DONE)) this.#settle?.(line);
        else this.#lines.push(line);
      });
    }
    this.#ended = new Promise((resolve) => {
      const end = () => {
        this.#isOver = true;
        this.#settle?.(undefined);
        resolve();
      };
      this.#child.once('close', end).once('error', end);
    });
    // The `close` event reports a process that has ended.
    this.#child.stdin?.on('error', () => undefined);
  }

  /**
   * Sends a request and waits for its response. Resolves to the duration that the process measured.
   * @throws CoprocessError with the standard error of the process
   */
  async ask(request: string): Promise<number | undefined> {
    return (await this.#exchange(request)).own;
  }

  /** As `ask`; resolves to the standard output. */
  async read(request: string): Promise<string> {
    return (await this.#exchange(request)).output;
  }

  async #exchange(request: string): Promise<{ own: number | undefined; output: string }> {
    if (this.#isOver) throw new CoprocessError(`the process has ended: ${this.#stderr.trim()}`);
    this.#stderr = '';
    this.#lines = [];
    const answer = new Promise<string | undefined>((resolve) => {
      this.#settle = resolve;
    });
    this.#child.stdin?.write(`${request}\n`);
    const [, code, own] = (await answer)?.split(' ') ?? [];
    if (code !== '0') {
      // Output may still be in the pipe of standard error.
      await new Promise((resolve) => setTimeout(resolve, 20));
      throw new CoprocessError(this.#stderr.trim() || `ended with ${code ?? 'no answer'}`);
    }
    return { own: own === undefined ? undefined : Number(own), output: this.#lines.join('\n') };
  }

  /** CPU time of the process and of its children that have ended, in milliseconds. */
  cpu(): number {
    if (this.#isOver) return 0;
    const stat = readFileSync(`/proc/${this.#child.pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return CPU_FIELDS.reduce((sum, field) => sum + Number(fields[field]), 0) * TICK_MS;
  }

  async close(): Promise<void> {
    this.#child.stdin?.end();
    const killer = setTimeout(() => this.#child.kill('SIGKILL'), 2000);
    await this.#ended;
    clearTimeout(killer);
  }
}

/** A shell that runs commands from standard input. A shell starts processes with the least overhead. */
export class Shell {
  readonly #process = new Coprocess('sh', []);

  /** Runs commands sequentially and stops at the first failure. */
  run(commands: readonly string[]): Promise<number | undefined> {
    return this.#process.ask(`{ ${commands.join('\n} && {\n')}\n} >/dev/null </dev/null\necho ${DONE} $?`);
  }

  /** Runs lists of commands concurrently, at most `concurrency` at a time. */
  async runConcurrently(jobs: readonly (readonly string[])[], concurrency: number): Promise<number | undefined> {
    const queues = Array.from({ length: Math.min(concurrency, jobs.length) }, (_, queue) =>
      jobs.filter((_job, index) => index % concurrency === queue).flat(),
    );
    if (queues.length <= 1) return this.run(queues[0] ?? [':']);
    const started = queues.map((commands, queue) => `{ ${commands.join('\n} && {\n')}\n} & p${queue}=$!`);
    const waited = queues.map((_, queue) => `wait $p${queue} || s=1`);
    return this.#process.ask(
      `s=0\n{\n${started.join('\n')}\n${waited.join('\n')}\n} >/dev/null </dev/null\necho ${DONE} $s`,
    );
  }

  cpu(): number {
    return this.#process.cpu();
  }

  close(): Promise<void> {
    return this.#process.close();
  }
}

/** A shell command with lines of text as standard input (here-document). */
export function withInput(command: string, lines: readonly string[]): string {
  return `${command} <<'EOF'\n${lines.join('\n')}\nEOF`;
}
