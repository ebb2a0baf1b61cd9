import { CommanderError } from 'commander';
import { CombinedError, KernelError, ValidationError, VethworkError } from '../errors.js';
import type { App } from './app.js';

export const exitCodes = { ok: 0, failure: 1, usage: 2 } as const;

/** Appended to `vethwork --help`. */
export const exitCodesHelp = `
Exit codes:
  0    done
  1    failed: the kernel refused, a network or interface does not exist, no address is free, …
  2    wrong usage: unknown command or option, or a value that was refused before anything was changed
  130  interrupted (143: terminated); running work was finished or undone

Results go to stdout, errors to stderr as one line "error: …". With --json a result is a JSON value on stdout
and an error is one line {"error": {"name", "code", "message", …}} on stderr.`;

/** Ends a command that was interrupted by a signal. */
export class InterruptedError extends VethworkError {
  readonly code = 'ERR_VETHWORK_INTERRUPTED';

  constructor(readonly exitCode: number) {
    super('interrupted');
  }
}

/** Returns the exit code of an error. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof InterruptedError) {
    return error.exitCode;
  }
  if (error instanceof CommanderError) {
    return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  }
  return error instanceof ValidationError ? exitCodes.usage : exitCodes.failure;
}

/** Reports an error. Help and version are not errors; commander has printed them. */
export function reportError(app: App, error: unknown, json: boolean): void {
  if (error instanceof CommanderError) {
    // Help was printed.
    if (error.exitCode === 0 || error.code === 'commander.help') {
      return;
    }
    const message = oneLine(withoutValues(error.message.replace(/^error: /, '')));
    write(app, json, { name: 'UsageError', code: 'ERR_VETHWORK_USAGE', message }, message);
    return;
  }
  const shown = error instanceof Error ? error : new Error(String(error));
  const code = shown instanceof VethworkError ? shown.code : 'ERR_VETHWORK_INTERNAL';
  const value = shown instanceof VethworkError ? shown.toJSON() : { name: shown.name, message: shown.message };
  write(app, json, { code, ...value }, describe(shown));
  if (process.env.VETHWORK_DEBUG && shown.stack !== undefined && !json) {
    app.stderr.write(`${shown.stack}\n`);
  }
}

function describe(error: Error): string {
  const message = oneLine(error.message);
  if (error instanceof CombinedError) {
    return [message, ...error.errors.map(String)].join('; ');
  }
  if (error instanceof KernelError && error.rollbackErrors.length > 0) {
    return `${message}; roll-back failed: ${error.rollbackErrors.map((inner) => inner.message).join('; ')}`;
  }
  return message;
}

/** Removes option values: commander quotes an unknown option with its value, which may be a password. */
function withoutValues(message: string): string {
  return message.replaceAll(/(--[\w-]+=)[^']*/g, '$1…');
}

function oneLine(text: string): string {
  return text.trim().replaceAll(/\s*\n\s*/g, ' ');
}

function write(app: App, json: boolean, value: unknown, text: string): void {
  app.stderr.write(json ? `${JSON.stringify({ error: value })}\n` : `error: ${text}\n`);
}
