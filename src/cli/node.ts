import type { Command } from 'commander';
import { ConflictError } from '../errors.js';
import { formatNodes } from '../format/format.js';
import type { App } from './app.js';
import { examples } from './help.js';
import { withHost } from './session.js';

/** Adds `vethwork node …`: the nodes of a cluster. */
export function addNodeCommands(program: Command, app: App): void {
  const node = program.command('node').description('show and remove the nodes of a cluster');

  node
    .command('list')
    .description('list the nodes of the cluster')
    .addHelpText('after', examples('node list'))
    .action(async (_flags: object, command: Command) => {
      await withHost(app, command, async ({ host, print }) => {
        const { nodes } = await host.refresh();
        if (nodes === undefined) throw new ConflictError('this host is not a node of a cluster');
        print(nodes, formatNodes(nodes));
      });
    });

  node
    .command('remove')
    .description('remove a node that is gone for good; refused while its agent runs')
    .argument('<name>', 'name of the node')
    .option('--detach', 'detach the interfaces of the node as well')
    .addHelpText('after', examples('node remove node3', 'node remove --detach node3'))
    .action(async (name: string, { detach = false }: { detach?: boolean }, command: Command) => {
      await withHost(app, command, async ({ host, print }) => {
        await host.removeNode(name, { detach });
        print({ removed: name }, `removed ${name}`);
      });
    });
}
