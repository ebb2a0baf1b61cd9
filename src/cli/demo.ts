import type { Command } from 'commander';
import { type App, print } from './app.js';
import { exitCodes } from './error.js';
import { globalsOf } from './globals.js';
import { examples } from './help.js';
import { interruptible } from './interrupt.js';

interface DemoFlags {
  keep?: boolean;
  remove?: boolean;
  verbose?: boolean;
  nodes?: boolean;
}

export function addDemoCommand(program: Command, app: App): void {
  program
    .command('demo')
    .description(
      'run the walk-through end to end in temporary namespaces: networks, instances, floating and routed IPs',
    )
    .option('--keep', 'keep all namespaces and links at the end')
    .option('--remove', 'remove the namespaces and links that earlier runs kept')
    .option('--nodes', 'run a cluster of three nodes instead (needs etcd)')
    .option('--verbose', 'print the commands of every check')
    .addHelpText('after', examples('demo', 'demo --keep', 'demo --remove'))
    .action(async ({ keep = false, remove = false, verbose = false, nodes = false }: DemoFlags, command: Command) => {
      const json = globalsOf(command).json === true;
      if (keep && remove) {
        command.error('error: --keep and --remove exclude each other');
      }
      const { removeDemos, runDemo } = await import('../demo/index.js');
      if (remove) {
        const removed = await removeDemos();
        print(app, json, { removed }, removed.length === 0 ? 'nothing to remove' : `removed ${removed.join(', ')}`);
        return;
      }
      const write = (text: string): unknown => (json ? undefined : app.stdout.write(text));
      const report = await interruptible(async (signal) => {
        if (!nodes) return runDemo({ keep, verbose, signal, write });
        const { runClusterDemo } = await import('../demo/cluster/index.js');
        return runClusterDemo({ signal, write });
      });
      if (json) {
        print(app, json, report, '');
      }
      app.exitCode = report.passed ? exitCodes.ok : exitCodes.failure;
    });
}
