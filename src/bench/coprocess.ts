import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { searchPath } from '../demo/tools.js';

/** What ends the answer to each request: its exit code follows, and its own time where it has one. */
export const DONE = '@done';

/** Of utime, stime, cutime and cstime in /proc/<pid>/stat, counted from the third field on. */
const CPU_FIELDS = [11, 12, 13, 14];
/** USER_HZ, which the kernel fixes for user space. */
const TICK_MS = 10;

/** A piece of work that another process could not do. */
export class CoprocessError extends Error {
  override readonly name = 'CoprocessError';
}

/**
 * A process that stays and does what it is told line by line, as a program of its kind would: a shell that runs
 * commands, an interpreter with a library loaded.
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
    // A process that is gone says so by its end.
    this.#child.stdin?.on('error', () => undefined);
  }

  /**
   * Sends a request and waits for its end. Resolves to how long the process says that it took.
   * @throws CoprocessError with what the process printed about it
   */
  async ask(request: string): Promise<number | undefined> {
    return (await this.#exchange(request)).own;
  }

  /** As `ask`; resolves to what was printed. */
  async read(request: string): Promise<string> {
    return (await this.#exchange(request)).output;
  }

  async #exchange(request: string): Promise<{ own: number | undefined; output: string }> {
    if (this.#isOver) throw new CoprocessError(`it has ended: ${this.#stderr.trim()}`);
    this.#stderr = '';
    this.#lines = [];
    const answer = new Promise<string | undefined>((resolve) => {
      this.#settle = resolve;
    });
    this.#child.stdin?.write(`${request}\n`);
    const [, code, own] = (await answer)?.split(' ') ?? [];
    if (code !== '0') {
      // The other pipe may be behind.
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

/** A shell that runs commands as they come. It is the leanest that starts processes, which is what they are timed for. */
export class Shell {
  readonly #process = new Coprocess('sh', []);

  /** Runs commands one after the other until one fails. */
  run(commands: readonly string[]): Promise<number | undefined> {
    return this.#process.ask(`{ ${commands.join('\n} && {\n')}\n} >/dev/null </dev/null\necho ${DONE} $?`);
  }

  /** Runs lists of commands beside each other, at most so many at a time. */
  async runBeside(jobs: readonly (readonly string[])[], atOnce: number): Promise<number | undefined> {
    const lanes = Array.from({ length: Math.min(atOnce, jobs.length) }, (_, lane) =>
      jobs.filter((_job, index) => index % atOnce === lane).flat(),
    );
    if (lanes.length <= 1) return this.run(lanes[0] ?? [':']);
    const started = lanes.map((commands, lane) => `{ ${commands.join('\n} && {\n')}\n} & p${lane}=$!`);
    const waited = lanes.map((_, lane) => `wait $p${lane} || s=1`);
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

/** A command with text as its standard input. */
export function withInput(command: string, lines: readonly string[]): string {
  return `${command} <<'EOF'\n${lines.join('\n')}\nEOF`;
}
