import { parsePrinted } from '../demo/tools.js';
import { Semaphore } from '../util/semaphore.js';
import { Coprocess, DONE } from './coprocess.js';

/*
 * Commands of the verification. A separate shell starts them. A fork of this process would make its pages copy-on-write,
 * and the page faults would slow down the contenders that run inside this process.
 */

const quote = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;

let shell: Coprocess | undefined;
const serial = new Semaphore(1);

/** Runs a command that must succeed. @throws CoprocessError with the standard error of the command */
export function run(command: readonly string[]): Promise<string> {
  shell ??= new Coprocess('sh', []);
  const started = shell;
  return serial.run(() => started.read(`${command.map(quote).join(' ')} </dev/null; s=$?; echo; echo ${DONE} $s`));
}

/** Runs a command that prints JSON. */
export async function json<Value>(command: readonly string[]): Promise<Value> {
  return parsePrinted(await run(command));
}
