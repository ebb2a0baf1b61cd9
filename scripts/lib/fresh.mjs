import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from './process.mjs';

/** @param {string} path */
function newest(path) {
  const stat = statSync(path);
  let time = stat.mtimeMs;
  // The modification time of a folder is included: it changes when a file is removed.
  if (stat.isDirectory()) for (const name of readdirSync(path)) time = Math.max(time, newest(join(path, name)));
  return time;
}

/**
 * True if an output exists and is newer than its inputs.
 * @param {string} output path below the root; its stamp file has the time
 * @param {readonly string[]} inputs files and folders below the root; missing ones are skipped
 */
export function isFresh(output, inputs) {
  const stamp = stampOf(output);
  if (!existsSync(join(root, output)) || !existsSync(stamp)) return false;
  const made = statSync(stamp).mtimeMs;
  return inputs.every((input) => !existsSync(join(root, input)) || newest(join(root, input)) <= made);
}

/**
 * Makes an output, then writes its stamp file with the time at which the work began.
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

/** True if node_modules matches package-lock.json. */
export function modulesAreFresh() {
  /** @type {(path: string) => Record<string, { version?: string, optional?: boolean }>} */
  const read = (path) => JSON.parse(readFileSync(join(root, path), 'utf8')).packages;
  const installed = 'node_modules/.package-lock.json';
  if (!existsSync(join(root, installed))) return false;
  const have = read(installed);
  return Object.entries(read('package-lock.json')).every(([path, { version, optional }]) => {
    if (path === '') return true;
    const found = have[path];
    // npm does not install optional packages for other systems.
    return found ? found.version === version : optional === true;
  });
}
