import { execFile, spawn } from 'node:child_process';

/**
 * External programs that create the environment of the demo and check the results. Only the demo, the benchmark and the
 * tests start them. The library does not need them.
 */

/** Search path of the programs. Debian installs some in sbin, which the PATH of ordinary users does not contain. */
export const searchPath = [process.env.PATH ?? '', '/usr/local/sbin', '/usr/sbin', '/sbin'].join(':');

const env = { ...process.env, PATH: searchPath };

/** Result of a program. */
export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** A program failed or could not be started. */
export class ToolError extends Error {
  override readonly name = 'ToolError';
}

/** Command line that runs a program in a namespace. */
export function inside(netns: string, ...command: string[]): string[] {
  return ['ip', 'netns', 'exec', netns, ...command];
}

/** Runs a program to its end. Resolves for every exit code. An abort kills it and rejects with the signal's reason. */
export function attempt(command: readonly string[], signal?: AbortSignal): Promise<Outcome> {
  const [file, ...args] = command as [string, ...string[]];
  const options = { env, maxBuffer: 16 * 1024 * 1024, killSignal: 'SIGKILL', ...(signal && { signal }) } as const;
  return new Promise((resolve, reject) => {
    execFile(file, args, options, (error, stdout, stderr) => {
      if (signal?.aborted) {
        reject(signal.reason);
      } else if (error === null || typeof error.code === 'number' || error.signal != null) {
        // As in a shell: 128 or more if a signal ended the program.
        resolve({ code: error === null ? 0 : Number(error.code ?? 128), stdout, stderr });
      } else {
        reject(new ToolError(error.message, { cause: error }));
      }
    });
  });
}

/** Runs a program that must succeed. @throws ToolError with the standard error of the program */
export async function run(command: readonly string[], signal?: AbortSignal): Promise<string> {
  const { code, stdout, stderr } = await attempt(command, signal);
  if (code !== 0) {
    throw new ToolError(`${command.join(' ')}: exit code ${code}: ${(stderr || stdout).trim()}`);
  }
  return stdout;
}

/** Parses JSON output. Empty output is an empty list: `ip -j` prints nothing for an empty list. */
export const parsePrinted = <Value>(text: string): Value => JSON.parse(text.trim() || '[]') as Value;

/** Runs a program that prints JSON. */
export async function json<Value>(command: readonly string[], signal?: AbortSignal): Promise<Value> {
  return parsePrinted(await run(command, signal));
}

/** A program that runs until it is stopped. */
export interface Background {
  /** The standard output so far. */
  output(): string;
  /**
   * Resolves when the output (standard error included) matches. Rejects if the program ends before, or after the timeout in
   * milliseconds. Default 10 seconds.
   */
  until(pattern: RegExp, timeout?: number): Promise<void>;
  /** Ends the program with SIGKILL. */
  kill(): Promise<void>;
  /** Ends the program with SIGTERM, after 2 seconds with SIGKILL, and resolves to its standard output. */
  stop(): Promise<string>;
}

export function start(command: readonly string[]): Background {
  const [file, ...args] = command as [string, ...string[]];
  const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let all = '';
  let ended = false;
  let watch: () => void = () => undefined;
  const collect = (text: string): void => {
    all += text;
    watch();
  };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    collect(text);
  });
  child.stderr?.setEncoding('utf8').on('data', collect);
  const end = new Promise<void>((resolve) => {
    const finish = (): void => {
      ended = true;
      watch();
      resolve();
    };
    child.once('close', finish).once('error', finish);
  });
  return {
    output: () => stdout,
    until: (pattern, timeout = 10_000) =>
      new Promise((resolve, reject) => {
        const settle = (error?: Error): void => {
          clearTimeout(timer);
          watch = () => undefined;
          if (error === undefined) {
            resolve();
          } else {
            reject(error);
          }
        };
        const fail = (reason: string): void =>
          settle(new ToolError(`${command.join(' ')}: ${reason} before the output matched ${pattern}: ${all.trim()}`));
        const timer = setTimeout(() => fail('timeout'), timeout);
        watch = () => {
          if (pattern.test(all)) {
            settle();
          } else if (ended) {
            fail('the program ended');
          }
        };
        watch();
      }),
    kill: async () => {
      child.kill('SIGKILL');
      await end;
    },
    stop: async () => {
      child.kill('SIGTERM');
      const killer = setTimeout(() => child.kill('SIGKILL'), 2_000);
      await end;
      clearTimeout(killer);
      return stdout;
    },
  };
}
