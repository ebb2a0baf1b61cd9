import type { Command } from 'commander';
import { ConflictError } from '../errors.js';
import { formatNodes } from '../format/format.js';
import type { App } from './app.js';
import { examples } from './help.js';
import { withHost } from './session.js';

/** Adds `vethwork node …`: the nodes of a cluster. */
export function addNodeCommands(program: Command, app: App): void {
  const node = program.command('node').description('show, drain and remove the nodes of a cluster');

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

  for (const [name, description, work] of [
    ['cordon', 'give a network node no further networks', 'cordonNode'],
    ['uncordon', 'let a network node get networks again', 'uncordonNode'],
  ] as const) {
    node
      .command(name)
      .description(description)
      .argument('<name>', 'name of the node')
      .addHelpText('after', examples(`node ${name} node1`))
      .action(async (wanted: string, _flags: object, command: Command) => {
        await withHost(app, command, async ({ host, print }) => {
          await host[work](wanted);
          print({ [`${name}ed`]: wanted }, `${name}ed ${wanted}`);
        });
      });
  }

  node
    .command('drain')
    .description('move all networks of a network node to others; it gets no further ones until uncordon')
    .argument('<name>', 'name of the node')
    .addHelpText('after', examples('node drain node1'))
    .action(async (name: string, _flags: object, command: Command) => {
      await withHost(app, command, async ({ host, print }) => {
        const moved = await host.drainNode(name);
        const lines = moved.map(({ name: network, to }) => `moved network ${network} to ${to}`);
        print({ drained: name, moved }, [...lines, `drained ${name}`].join('\n'));
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
