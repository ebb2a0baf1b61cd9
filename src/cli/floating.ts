import type { Command } from 'commander';
import { formatFloatingAddresses } from '../format/floating.js';
import type { App } from './app.js';
import { examples } from './help.js';
import { withHost } from './session.js';

/** Adds `vethwork floating …`: the addresses of floating pools. */
export function addFloatingCommands(program: Command, app: App): void {
  program
    .command('floating')
    .description('show the addresses of floating pools')
    .command('list')
    .description('list the floating addresses that are in use; in a cluster, with the node that serves each')
    .addHelpText('after', examples('floating list', 'floating list --json'))
    .action(async (_flags: object, command: Command) => {
      await withHost(app, command, async ({ host, print }) => {
        const addresses = await host.listFloatingAddresses();
        print(addresses, formatFloatingAddresses(addresses));
      });
    });
}
