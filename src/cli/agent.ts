import type { Command } from 'commander';
import type { App } from './app.js';
import { InterruptedError } from './error.js';
import { examples } from './help.js';
import { interruptible } from './interrupt.js';

export function addAgentCommand(program: Command, app: App): void {
  program
    .command('agent')
    .description('run the agent of a cluster node until it is interrupted; networks keep running afterwards')
    .requiredOption('--config <file>', 'configuration file (JSON): options of the node, `listen` and `logLevel`')
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
