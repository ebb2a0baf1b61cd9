import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NotFoundError, ValidationError } from '../errors.js';
import { addonFolder } from './load-addon.js';
import type { NamespaceRef } from './namespace.js';
import { checkObject } from './transaction-options.js';

export interface SpawnInOptions extends Omit<SpawnOptions, 'shell'> {
  /** The namespace in which the program runs; this process's own if absent. */
  netns?: NamespaceRef | undefined;
}

/** The program that enters a namespace and becomes another. */
function enterProgram(): string {
  const place = join(addonFolder(), 'vethwork-enter');
  if (!existsSync(place)) throw new NotFoundError('program', place);
  return place;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** As execvp(3) looks for it, in the environment that the program is to have. */
function findProgram(command: string, options: SpawnInOptions): boolean {
  const folder =
    options.cwd === undefined ? process.cwd() : options.cwd instanceof URL ? fileURLToPath(options.cwd) : options.cwd;
  if (command.includes('/')) return isProgram(resolve(folder, command));
  const path = (options.env ?? process.env).PATH ?? '/usr/bin:/bin';
  return path.split(delimiter).some((place) => isProgram(resolve(folder, place, command)));
}

/** PATH_MAX */
const LONGEST_PATH = 4096;

const isText = (value: unknown): value is string => typeof value === 'string' && !value.includes('\0');

function pathOf(netns: NamespaceRef): string {
  if (typeof netns === 'number') return `/proc/${netns}/ns/net`;
  return netns.startsWith('/') ? netns : join('/run/netns', netns);
}

/**
 * Starts a program with its network namespace entered; everything else is `child_process.spawn`, and so is the child:
 * its pid is the program's own. No thread of this process enters the namespace.
 * @throws ValidationError if the namespace does not exist, NotFoundError if the program does not
 */
export function spawnIn(command: string, args: readonly string[] = [], options: SpawnInOptions = {}): ChildProcess {
  checkObject('options', options);
  const { netns, ...rest } = options;
  if (!isText(command) || command === '' || Buffer.byteLength(command) >= LONGEST_PATH) {
    throw new ValidationError('command', command, 'the name or path of a program');
  }
  // Unlike `every`, it sees the holes of an array, of which there may be 2^32.
  if (!Array.isArray(args) || args.findIndex((each) => !isText(each)) >= 0)
    throw new ValidationError('args', args, 'texts without NUL');
  if (netns !== undefined && !(isText(netns) ? netns !== '' : Number.isInteger(netns))) {
    throw new ValidationError('netns', netns, 'a network namespace: a name, a path or a process id');
  }
  if (netns === undefined) return spawn(command, args, rest);
  const path = pathOf(netns);
  if (!existsSync(path)) {
    throw new ValidationError('netns', netns, 'a network namespace that exists: a name, a path or a process id');
  }
  if (!findProgram(command, options)) throw new NotFoundError('program', command);
  return spawn(enterProgram(), [path, command, ...args], rest);
}
