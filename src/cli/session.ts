import type { Command } from 'commander';
import type { Host, HostOptions } from '../model/types.js';
import { type App, print } from './app.js';
import { globalsOf, hostOptions } from './globals.js';
import { interruptible } from './interrupt.js';

/** What a command that needs the host is given. */
export interface Session {
  host: Host;
  options: HostOptions;
  /** Aborted by SIGINT and SIGTERM. */
  signal: AbortSignal;
  json: boolean;
  /** Prints the value with `--json`, else the text. */
  print(value: unknown, text: string): void;
}

/** Opens the host as it is found, runs the body and closes the host, whatever happens. */
export async function withHost(
  app: App,
  command: Command,
  body: (session: Session) => Promise<void>,
  { repair = false, ...more }: Partial<HostOptions> = {},
): Promise<void> {
  const globals = globalsOf(command);
  const options = await hostOptions(globals, more);
  // Loaded late: help and usage errors need no native code.
  const { openHost } = await import('../index.js');
  await interruptible(async (signal) => {
    const host = await openHost({ ...options, repair });
    try {
      signal.throwIfAborted();
      const json = globals.json === true;
      await body({ host, options, signal, json, print: (value, text) => print(app, json, value, text) });
    } finally {
      await host.close();
    }
  });
}

/** As `withHost`, for commands that build upon what is there: whatever lacks is repaired before. */
export function withRepairedHost(
  app: App,
  command: Command,
  body: (session: Session) => Promise<void>,
  more: Partial<HostOptions> = {},
): Promise<void> {
  return withHost(app, command, body, { ...more, repair: true });
}
