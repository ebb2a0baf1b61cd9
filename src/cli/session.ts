import type { Command } from 'commander';
import type { Host, HostOptions } from '../api/types.js';
import type { ClusterHostOptions } from '../cluster/options.js';
import { type App, print } from './app.js';
import { globalsOf, hostOptions } from './globals.js';
import { removeHostFile } from './host-file.js';
import { interruptible } from './interrupt.js';

/** What a command gets. */
export interface Session {
  host: Host;
  /** Undefined on a node of a cluster. */
  options: HostOptions | undefined;
  /** Aborted by SIGINT and SIGTERM. */
  signal: AbortSignal;
  json: boolean;
  /** Prints the value with `--json`, else the text. */
  print(value: unknown, text: string): void;
}

/**
 * Opens the host, runs the body, and closes the host in any case. With the option `repair`, the calls of the body wait for
 * the repair of their network, and the command ends when all networks are repaired. Default: no repair.
 */
export async function withHost(
  app: App,
  command: Command,
  body: (session: Session) => Promise<void>,
  { repair = false, ...more }: Partial<HostOptions> = {},
): Promise<void> {
  const globals = globalsOf(command);
  const options = globals.cluster === undefined ? await hostOptions(globals, more) : undefined;
  // Loaded late, because help and usage errors need no native code.
  const { openHost } = await import('../index.js');
  await interruptible(async (signal) => {
    const host = await (options === undefined
      ? openHost(await clientOptions(app, globals.cluster as string))
      : openHost({ ...options, repair }));
    // The state folder remembers the settings of the earlier version's file by now.
    if (options !== undefined) await removeHostFile(options.stateDir);
    try {
      signal.throwIfAborted();
      const json = globals.json === true;
      await body({ host, options, signal, json, print: (value, text) => print(app, json, value, text) });
      await host.repaired();
    } finally {
      const { asOf } = host.info;
      if (asOf !== undefined) app.stderr.write(`warning: the store can't be reached; the output is as of ${asOf}\n`);
      await host.close();
    }
  });
}

/** Options of a client: those of the agent, with `agent: false`. */
async function clientOptions(app: App, file: string): Promise<ClusterHostOptions> {
  const { readAgentConfig } = await import('../agent/config.js');
  const { host, warnings } = await readAgentConfig(file);
  for (const warning of warnings) app.stderr.write(`warning: ${warning}\n`);
  return { ...host, agent: false };
}

/** Runs a command that depends on existing resources: differences are repaired before. */
export function withRepairedHost(
  app: App,
  command: Command,
  body: (session: Session) => Promise<void>,
  more: Partial<HostOptions> = {},
): Promise<void> {
  return withHost(app, command, body, { ...more, repair: true });
}
