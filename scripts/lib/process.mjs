import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The folder of package.json. */
export const root = fileURLToPath(new URL('../../', import.meta.url));

/** A step failed in a way its own output explains: shown without a stack trace. */
export class StepError extends Error {}

/**
 * Runs a program with this one's terminal and waits for its end.
 * @param {string} file
 * @param {readonly string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, cwd?: string }} [options]
 * @returns {Promise<number>} its exit code; 128 and more for a signal
 */
export function exitCodeOf(file, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd: options.cwd ?? root,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    child.once('error', (cause) => reject(new StepError(`cannot start ${file}: ${cause.message}`, { cause })));
    child.once('exit', (code) => resolve(code ?? 128));
  });
}

/**
 * Like {@link exitCodeOf}, but every exit code except 0 is an error.
 * @param {string} file
 * @param {readonly string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, cwd?: string }} [options]
 */
export async function run(file, args, options) {
  const code = await exitCodeOf(file, args, options);
  if (code !== 0) throw new StepError(`${file} ${args.join(' ')} ended with exit code ${code}`);
}

/**
 * Runs the main function of a script; a failure sets the exit code.
 * @param {() => Promise<number | void>} main resolves to the exit code, 0 if to nothing
 */
export async function runMain(main) {
  try {
    process.exitCode = (await main()) || 0;
  } catch (error) {
    console.error(error instanceof StepError ? `error: ${error.message}` : error);
    process.exitCode = 1;
  }
}
