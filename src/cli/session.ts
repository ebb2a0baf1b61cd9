import type { Command } from 'commander';
import type { ClusterHostOptions } from '../cluster/options.js';
import type { Host, HostOptions } from '../model/types.js';
import { type App, print } from './app.js';
import { globalsOf, hostOptions } from './globals.js';
import { removeHostFile } from './host-file.js';
import { interruptible } from './interrupt.js';

/** What a command that needs the host is given. */
export interface Session {
  host: Host;
  /** Undefined on a node of a cluster, whose agent sets it up. */
  options: HostOptions | undefined;
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
  const options = globals.cluster === undefined ? await hostOptions(globals, more) : undefined;
  // Loaded late: help and usage errors need no native code.
  const { openHost } = await import('../index.js');
  await interruptible(async (signal) => {
    const host = await (options === undefined
      ? openHost(await visitOptions(app, globals.cluster as string))
      : openHost({ ...options, repair }));
    // The state remembers by now what the file of an earlier version said.
    if (options !== undefined) await removeHostFile(options.state);
    try {
      signal.throwIfAborted();
      const json = globals.json === true;
      await body({ host, options, signal, json, print: (value, text) => print(app, json, value, text) });
    } finally {
      const { asOf } = host.info;
      if (asOf !== undefined) app.stderr.write(`warning: the store can't be reached: what is told is of ${asOf}\n`);
      await host.close();
    }
  });
}

/** Those of the agent, for a visitor. */
async function visitOptions(app: App, file: string): Promise<ClusterHostOptions> {
  const { readAgentConfig } = await import('../agent/config.js');
  const { host, warnings } = await readAgentConfig(file);
  for (const warning of warnings) app.stderr.write(`warning: ${warning}\n`);
  return { ...host, agent: false };
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
