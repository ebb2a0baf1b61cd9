import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Path of the folder with package.json. */
export const root = fileURLToPath(new URL('../../', import.meta.url));

/** Failure of a step whose output explains the cause. It is printed without a stack trace. */
export class StepError extends Error {}

/**
 * Runs a program with inherited standard streams and waits for its end.
 * @param {string} file
 * @param {readonly string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, cwd?: string }} [options]
 * @returns {Promise<number>} exit code; 128 or more for a signal
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
 * Like {@link exitCodeOf}, but throws for every exit code except 0.
 * @param {string} file
 * @param {readonly string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, cwd?: string }} [options]
 */
export async function run(file, args, options) {
  const code = await exitCodeOf(file, args, options);
  if (code !== 0) throw new StepError(`${file} ${args.join(' ')} ended with exit code ${code}`);
}

/**
 * Runs the main function of a script and sets the exit code.
 * @param {() => Promise<number | void>} main resolves to the exit code; undefined means 0
 */
export async function runMain(main) {
  try {
    process.exitCode = (await main()) || 0;
  } catch (error) {
    console.error(error instanceof StepError ? `error: ${error.message}` : error);
    process.exitCode = 1;
  }
}
