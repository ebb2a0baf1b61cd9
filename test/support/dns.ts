import { NotRunError } from './attempt.js';
import type { TestNamespace } from './namespaces.js';

/** Exit code of `dig` if no server responds. */
const SILENCE = 9;

/**
 * Answers of a DNS server, one per line; undefined without a response.
 * @param args further arguments of `dig`, such as `-x` before an address
 * @throws NotRunError if `dig` fails for another reason
 */
export async function lookUp(
  from: TestNamespace,
  server: string,
  name: string,
  ...args: string[]
): Promise<string | undefined> {
  const dig = ['dig', '+tries=1', '+time=1', '+short', `@${server}`, ...args, name] as const;
  const { exitCode, stdout, stderr } = await from.attempt(...dig);
  if ((exitCode !== 0 && exitCode !== SILENCE) || /network unreachable/.test(stdout + stderr)) {
    throw new NotRunError(`${dig.join(' ')} in ${from.name}: ${stdout}${stderr}`);
  }
  if (exitCode === SILENCE) return undefined;
  return stdout
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith(';'))
    .join('\n');
}
