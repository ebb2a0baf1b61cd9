import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { KernelError, NotFoundError, ValidationError } from '../errors.js';
import { readOptions } from '../input.js';
import { addonFolder } from './load-addon.js';
import { type NamespaceRef, namespacePath } from './namespace.js';

export interface SpawnInOptions extends Omit<SpawnOptions, 'shell'> {
  /** Network namespace of the program. Default: that of this process. */
  netns?: NamespaceRef | undefined;
}

/** Maximum of environment variables. */
const MAXIMUM_VARIABLES = 10_000;

/** Path of the program that enters a namespace and executes another program. */
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

/** Working directory of the program. @throws ValidationError */
function folderOf({ cwd }: SpawnInOptions): string {
  if (cwd === undefined) return process.cwd();
  try {
    const folder = cwd instanceof URL ? fileURLToPath(cwd) : cwd;
    if (statSync(folder).isDirectory()) return folder;
  } catch {
    // The error is reported below.
  }
  throw new ValidationError('cwd', cwd, 'the path of a folder');
}

/** Searches the program like execvp(3), in the PATH of its environment. */
function findProgram(command: string, options: SpawnInOptions): boolean {
  const folder = folderOf(options);
  if (command.includes('/')) return isProgram(resolve(folder, command));
  const path = (options.env ?? process.env).PATH ?? '/usr/bin:/bin';
  return path.split(delimiter).some((place) => isProgram(resolve(folder, place, command)));
}

/**
 * Starts a program in a network namespace. Arguments and result are those of `child_process.spawn`; the pid is that of
 * the program. No thread of this process enters the namespace.
 * @throws ValidationError if the namespace does not exist or Node.js rejects an option, NotFoundError if the program
 * does not exist, KernelError if the kernel cannot start it
 */
export function spawnIn(command: string, args: readonly string[] = [], options: SpawnInOptions = {}): ChildProcess {
  const { netns, ...rest } = options;
  const path = netns === undefined ? undefined : namespacePath(netns);
  if (path !== undefined && !existsSync(path)) {
    throw new ValidationError('netns', netns, 'a network namespace that exists: a name, a path or a process id');
  }
  if ('shell' in rest) throw new ValidationError('shell', rest.shell, 'nothing: no shell is started');
  const env = rest.env === undefined ? {} : { env: readEnvironment(rest.env) };
  const prepared = { ...rest, ...env };
  if (!findProgram(command, prepared)) throw new NotFoundError('program', command);
  try {
    return path === undefined
      ? spawn(command, args, prepared)
      : spawn(enterProgram(), [path, command, ...args], prepared);
  } catch (cause) {
    throw asTyped(cause, command, rest);
  }
}

function readEnvironment(env: unknown): NodeJS.ProcessEnv {
  const variables = readOptions(env as NodeJS.ProcessEnv, 'env', MAXIMUM_VARIABLES);
  for (const [name, value] of Object.entries(variables)) {
    if (value !== undefined && (typeof value !== 'string' || value.includes('\0'))) {
      throw new ValidationError(`env.${name}`, value, 'a text without NUL');
    }
  }
  return variables;
}

/** Converts errors of Node.js. */
function asTyped(cause: unknown, command: string, options: object): Error {
  const { code = '', errno, message } = cause as NodeJS.ErrnoException;
  if (typeof errno !== 'number') {
    return new ValidationError('options', options, `options that node takes (${message})`, { cause });
  }
  return new KernelError({ code, errno: Math.abs(errno), operation: `start ${command}` }, { cause });
}
