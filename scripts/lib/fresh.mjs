import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from './process.mjs';

/** @param {string} path */
function newest(path) {
  const stat = statSync(path);
  let time = stat.mtimeMs;
  // The time of a folder counts as well: it changes when a file is removed.
  if (stat.isDirectory()) for (const name of readdirSync(path)) time = Math.max(time, newest(join(path, name)));
  return time;
}

/**
 * Whether an output exists and was made after everything it is made from.
 * @param {string} output path below the root; what it was stamped with decides, not its own time
 * @param {readonly string[]} inputs files and folders below the root; those that do not exist are skipped
 */
export function isFresh(output, inputs) {
  const stamp = stampOf(output);
  if (!existsSync(join(root, output)) || !existsSync(stamp)) return false;
  const made = statSync(stamp).mtimeMs;
  return inputs.every((input) => !existsSync(join(root, input)) || newest(join(root, input)) <= made);
}

/**
 * Does the work of an output, then remembers that it is as new as its inputs were when the work began.
 * @param {string} output
 * @param {() => Promise<void>} make
 */
export async function makeStamped(output, make) {
  const stamp = stampOf(output);
  const begun = new Date();
  await make();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, `${begun.toISOString()}\n`);
  utimesSync(stamp, begun, begun);
}

/** @param {string} output */
function stampOf(output) {
  return join(root, 'build/stamps', output.replaceAll('/', '_'));
}

/** Whether node_modules holds what package-lock.json says. */
export function modulesAreFresh() {
  /** @type {(path: string) => Record<string, { version?: string, optional?: boolean }>} */
  const read = (path) => JSON.parse(readFileSync(join(root, path), 'utf8')).packages;
  const installed = 'node_modules/.package-lock.json';
  if (!existsSync(join(root, installed))) return false;
  const have = read(installed);
  return Object.entries(read('package-lock.json')).every(([path, { version, optional }]) => {
    if (path === '') return true;
    const found = have[path];
    // Optional packages for other machines are left out by npm.
    return found ? found.version === version : optional === true;
  });
}
