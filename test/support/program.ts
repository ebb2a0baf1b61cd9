import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { TestNamespace } from './namespaces.js';

/** A program in a namespace that reads and prints lines. */
export class Program {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(namespace: TestNamespace, file: string, ...args: string[]) {
    this.#child = namespace.spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const input = this.#child.stdout;
    if (input === null) throw new Error(`${file} has no standard output`);
    this.#lines = createInterface({ input })[Symbol.asyncIterator]();
  }

  say(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** Resolves to the next line. @param expected throws an Error if it is another one, or if the program has ended */
  async next(expected?: string): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done || (expected !== undefined && value !== expected)) throw new Error(`${value} instead of ${expected}`);
    return value;
  }

  /** Closes its input. Resolves when it has ended. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await ended;
  }
}
