import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { TestNamespace } from './namespaces.js';

/** Result of a running ping. */
export interface Loss {
  sent: number;
  lost: number;
  /** Longest interruption, in milliseconds: lost requests in a row, times the interval. */
  gap: number;
}

/** A ping that runs until it is ended, and counts what is lost. */
export class RunningPing {
  readonly #child: ChildProcess;
  readonly #interval: number;
  readonly #answered = new Set<number>();
  #text = '';

  /** @param interval in milliseconds */
  constructor(from: TestNamespace, address: string, interval = 10) {
    this.#interval = interval;
    const args = ['-n', '-i', String(interval / 1000), '-W', '1', address];
    this.#child = from.spawn('ping', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child.stdout?.on('data', (text: Buffer) => this.#read(text.toString()));
  }

  /** Number of answers so far. */
  get answers(): number {
    return this.#answered.size;
  }

  async end(): Promise<Loss> {
    const ended = once(this.#child, 'close');
    this.#child.kill('SIGINT');
    await ended;
    const sent = Number(/(\d+) packets transmitted/.exec(this.#text)?.[1]);
    let lost = 0;
    let run = 0;
    let longest = 0;
    // The last requests may be on their way when the ping is ended.
    for (let sequence = 1; sequence <= sent - 2; sequence++) {
      run = this.#answered.has(sequence) ? 0 : run + 1;
      if (run > 0) lost++;
      longest = Math.max(longest, run);
    }
    return { sent, lost, gap: longest * this.#interval };
  }

  #read(text: string): void {
    this.#text += text;
    const lines = this.#text.split('\n');
    for (const line of lines) {
      const sequence = /bytes from .*icmp_seq=(\d+)/.exec(line)?.[1];
      if (sequence !== undefined) this.#answered.add(Number(sequence));
    }
    this.#text = lines.slice(-4).join('\n');
  }
}
