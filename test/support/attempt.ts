import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execFileAsync = promisify(execFile);

/** What a program left behind that has run to its end. */
export interface Outcome {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** A program did not do what it was asked for: it is missing, was called wrongly, or was killed. That is never its "no". */
export class NotRunError extends Error {
  override readonly name = 'NotRunError';
}

/** What shells, `env`, `timeout`, `nsenter` and the like end with if the program is missing or can't be started. */
const NOT_STARTED = [126, 127];

/** What programs print that don't understand what they are told. */
const USAGE =
  /^usage\b|(invalid|unrecognized|unknown) (option|command)|is unknown, try|is a garbage|try .* --help|syntax error/im;

/** What `ip netns exec` prints instead of starting the program. */
const NOT_ENTERED = /^(exec of "|Cannot open network namespace|setting the network namespace)/m;

/**
 * Runs a foreign program whose failure is what the test wants to see, and resolves whatever its exit code is.
 * @throws NotRunError if it could not be run, did not understand its arguments or was killed: a test that expects a
 *   refusal must not pass for that
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
    // `ip netns pids` and `ip netns delete` are asked of namespaces that may be gone.
    const isAboutNamespaces = file === 'ip' && args[0] === 'netns' && args[1] !== 'exec';
    if (!isAboutNamespaces && NOT_ENTERED.test(stderr)) {
      throw new NotRunError(`${command}: ${stderr}`, { cause: error });
    }
    return { exitCode: code, stdout, stderr };
  }
}
