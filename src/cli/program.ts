import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { addAdoptCommand } from './adopt.js';
import { addAgentCommand } from './agent.js';
import type { App } from './app.js';
import { addBenchCommand } from './bench.js';
import { addDemoCommand } from './demo.js';
import { addDoctorCommand } from './doctor.js';
import { exitCodeOf, exitCodes, exitCodesHelp, reportError } from './error.js';
import { addFloatingCommands } from './floating.js';
import { addGlobalOptions } from './globals.js';
import { examples } from './help.js';
import { addHostCommands } from './host.js';
import { addInterfaceCommands } from './interface.js';
import { addMigrateCommand } from './migrate.js';
import { addNetworkCommands } from './network.js';
import { addNodeCommands } from './node.js';
import { addObserveCommands } from './observe.js';
import { addPoolCommands } from './pool.js';
import { addPurgeCommand } from './purge.js';

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** Builds the command line. */
export function buildProgram(app: App): Command {
  const program = new Command('vethwork')
    .description('Virtual networks on Linux: bridges, VXLAN, DHCP, NAT, floating IPs')
    .version(version())
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => app.stdout.write(text),
      writeErr: (text) => app.stderr.write(text),
      // reportError prints errors, because it knows `--json`.
      outputError: () => undefined,
    })
    .addHelpText(
      'after',
      `${examples('init --egress-nic eth0 --floating-network 192.168.15.0/24', 'network create demo 172.16.0.0/24', 'demo')}
${exitCodesHelp}`,
    );
  addGlobalOptions(program);
  addHostCommands(program, app);
  addAdoptCommand(program, app);
  addPurgeCommand(program, app);
  addNetworkCommands(program, app);
  addNodeCommands(program, app);
  addInterfaceCommands(program, app);
  addFloatingCommands(program, app);
  addPoolCommands(program, app);
  addObserveCommands(program, app);
  addDoctorCommand(program, app);
  addAgentCommand(program, app);
  addMigrateCommand(program, app);
  addDemoCommand(program, app);
  addBenchCommand(program, app);
  return program;
}

/** Runs one command line (without node and script). Resolves to the exit code. Never rejects. */
export async function run(argv: readonly string[], output: Pick<App, 'stdout' | 'stderr'> = process): Promise<number> {
  const app: App = { stdout: output.stdout, stderr: output.stderr, exitCode: exitCodes.ok };
  try {
    await buildProgram(app).parseAsync(argv, { from: 'user' });
    return app.exitCode;
  } catch (error) {
    reportError(app, error, argv.includes('--json'));
    return exitCodeOf(error);
  }
}
