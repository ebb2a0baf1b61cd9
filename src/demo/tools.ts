import { execFile, spawn } from 'node:child_process';

/**
 * The foreign tools with which the demo builds its stage and checks what vethwork did. Nothing but the demo starts
 * them: the library needs none of them.
 */

/** Where the tools are looked for: Debian keeps some in sbin, which an ordinary PATH leaves out. */
export const searchPath = [process.env.PATH ?? '', '/usr/local/sbin', '/usr/sbin', '/sbin'].join(':');

const env = { ...process.env, PATH: searchPath };

/** What a tool left behind. */
export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** A tool ended with an exit code that was not expected. */
export class ToolError extends Error {
  override readonly name = 'ToolError';
}

/** The command line that runs a tool in a namespace. */
export function inside(netns: string, ...command: string[]): string[] {
  return ['ip', 'netns', 'exec', netns, ...command];
}

/** Runs a tool to its end, whatever its exit code. An abort kills it and rejects with the signal's reason. */
export function attempt(command: readonly string[], signal?: AbortSignal): Promise<Outcome> {
  const [file, ...args] = command as [string, ...string[]];
  const options = { env, maxBuffer: 16 * 1024 * 1024, killSignal: 'SIGKILL', ...(signal && { signal }) } as const;
  return new Promise((resolve, reject) => {
    execFile(file, args, options, (error, stdout, stderr) => {
      if (signal?.aborted) {
        reject(signal.reason);
      } else if (error === null || typeof error.code === 'number' || error.signal != null) {
        // As a shell has it: 128 and more for a tool that a signal ended.
        resolve({ code: error === null ? 0 : Number(error.code ?? 128), stdout, stderr });
      } else {
        reject(new ToolError(error.message, { cause: error }));
      }
    });
  });
}

/** Runs a tool that must succeed. @throws ToolError with what the tool said */
export async function run(command: readonly string[], signal?: AbortSignal): Promise<string> {
  const { code, stdout, stderr } = await attempt(command, signal);
  if (code !== 0) {
    throw new ToolError(`${command.join(' ')}: exit code ${code}: ${(stderr || stdout).trim()}`);
  }
  return stdout;
}

/** What a tool has printed as JSON. Nothing is an empty list, which is what `ip -j` means by it. */
export const parsePrinted = <Value>(text: string): Value => JSON.parse(text.trim() || '[]') as Value;

/** Runs a tool that prints JSON. */
export async function json<Value>(command: readonly string[], signal?: AbortSignal): Promise<Value> {
  return parsePrinted(await run(command, signal));
}

/** A tool that runs until it is told to stop. */
export interface Background {
  /** Everything printed so far. */
  output(): string;
  /** Resolves when the output (standard error included) matches; rejects if the tool ends before or time runs out. */
  until(pattern: RegExp, timeout?: number): Promise<void>;
  /** Ends it without a chance to do anything about it. */
  kill(): Promise<void>;
  /** Ends it and resolves to what it printed on standard output. */
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
        const fail = (why: string): void =>
          settle(new ToolError(`${command.join(' ')}: ${why} before it printed ${pattern}: ${all.trim()}`));
        const timer = setTimeout(() => fail('time ran out'), timeout);
        watch = () => {
          if (pattern.test(all)) {
            settle();
          } else if (ended) {
            fail('it ended');
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
