import { run } from '../../src/cli/program.js';

/** Runs the command line in this process. */
export async function cli(...argv: string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const exitCode = await run(argv, {
    stdout: { write: (text: string) => out.push(text) },
    stderr: { write: (text: string) => err.push(text) },
  });
  return { exitCode, out: out.join(''), err: err.join('') };
}
