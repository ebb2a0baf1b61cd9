import { parsePrinted } from '../demo/tools.js';
import { Semaphore } from '../util/semaphore.js';
import { Coprocess, DONE } from './coprocess.js';

/*
 * Tools that look at what was done. A shell of its own starts them: after a fork, every page of the process that forked is
 * copied when it is next written to, and those who are measured inside this process would pay for it.
 */

const quote = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;

let shell: Coprocess | undefined;
const one = new Semaphore(1);

/** Runs a tool that must succeed. @throws CoprocessError with what the tool said */
export function run(command: readonly string[]): Promise<string> {
  shell ??= new Coprocess('sh', []);
  const looker = shell;
  return one.run(() => looker.read(`${command.map(quote).join(' ')} </dev/null; s=$?; echo; echo ${DONE} $s`));
}

/** Runs a tool that prints JSON. */
export async function json<Value>(command: readonly string[]): Promise<Value> {
  return parsePrinted(await run(command));
}
