import { attempt, NotRunError } from './attempt.js';

/**
 * `pid command line` of each process whose command line matches (`pgrep -af`); empty if none matches.
 * @param pattern an extended regular expression
 */
export async function processes(pattern: string): Promise<string[]> {
  const { exitCode, stdout, stderr } = await attempt('pgrep', '-af', '--', pattern);
  if (exitCode > 1) throw new NotRunError(`pgrep ${pattern}: ${stderr}`);
  return stdout.split('\n').filter(Boolean);
}
