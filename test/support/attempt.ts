import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execFileAsync = promisify(execFile);

/** Result of a program that has ended. */
export interface Outcome {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** A program is missing, rejected its arguments, or was killed. A test must not take this for a negative result. */
export class NotRunError extends Error {
  override readonly name = 'NotRunError';
}

/** Exit codes of shells, `env`, `timeout`, `nsenter` and similar for a program that is missing or cannot be started. */
const NOT_STARTED = [126, 127];

/** Error messages of programs that reject their arguments. */
const USAGE =
  /^usage\b|(invalid|unrecognized|unknown) (option|command)|is unknown, try|is a garbage|try .* --help|syntax error/im;

/** Error messages of `ip netns exec` if it cannot start the program. */
const NOT_ENTERED = /^(exec of "|Cannot open network namespace|setting the network namespace)/m;

/**
 * Runs an external program and resolves for every exit code, for tests that expect a failure.
 * @throws NotRunError if it cannot be started, rejects its arguments or is killed: a test that expects a refusal must not
 *   pass for these reasons
 */
export async function attempt(file: string, ...args: string[]): Promise<Outcome> {
  const command = [file, ...args].join(' ');
  try {
    const { stdout, stderr } = await execFileAsync(file, args, { maxBuffer: 64 * 1024 * 1024 });
    return { exitCode: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: number | string; stdout?: string; stderr?: string };
    if (typeof code !== 'number' || NOT_STARTED.includes(code) || USAGE.test(stderr)) {
      throw new NotRunError(`${command}: ${stderr || (error as Error).message}`, { cause: error });
    }
    // `ip netns pids` and `ip netns delete` may run for namespaces that do not exist.
    const isAboutNamespaces = file === 'ip' && args[0] === 'netns' && args[1] !== 'exec';
    if (!isAboutNamespaces && NOT_ENTERED.test(stderr)) {
      throw new NotRunError(`${command}: ${stderr}`, { cause: error });
    }
    return { exitCode: code, stdout, stderr };
  }
}
