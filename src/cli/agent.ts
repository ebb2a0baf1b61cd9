import type { Command } from 'commander';
import type { App } from './app.js';
import { InterruptedError } from './error.js';
import { examples } from './help.js';
import { interruptible } from './interrupt.js';

export function addAgentCommand(program: Command, app: App): void {
  program
    .command('agent')
    .description('do this node’s part of a cluster’s networks until told to stop; networks keep running then')
    .requiredOption('--config <file>', 'JSON: the node’s options, where to listen, what to log')
    .addHelpText('after', examples('agent --config /etc/vethwork/agent.json'))
    .action(async ({ config: file }: { config: string }) => {
      const [{ readAgentConfig }, { runAgent }] = await Promise.all([
        import('../agent/config.js'),
        import('../agent/agent.js'),
      ]);
      const config = await readAgentConfig(file);
      try {
        await interruptible((signal) => runAgent(config, { signal, write: (line) => app.stdout.write(line) }));
      } catch (error) {
        // A signal is the normal end of an agent.
        if (!(error instanceof InterruptedError)) throw error;
      }
    });
}
