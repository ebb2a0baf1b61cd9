import type { Command } from 'commander';
import type { EventOptions, HostEvent } from '../api/types.js';
import { formatEvent, formatStatistics } from '../format/observation.js';
import { defined } from '../util/defined.js';
import type { App } from './app.js';
import { examples } from './help.js';
import { withHost } from './session.js';

interface EventFlags {
  follow?: true;
  after?: string;
}

/** Adds the commands for events and statistics. */
export function addObserveCommands(program: Command, app: App): void {
  program
    .command('events')
    .description('show the events of this host, with process, reason and duration')
    .argument('[subject]', 'show only events of this network or interface (UUID) or address')
    .option('-f, --follow', 'follow events until interrupted; with --json, one line of JSON per event')
    .option('--after <id>', 'show only events after the event with this id')
    .addHelpText('after', examples('events', 'events --follow --json', 'events 192.168.15.29'))
    .action(async (subject: string | undefined, flags: EventFlags, command: Command) => {
      const { follow = false, after } = flags;
      await withHost(app, command, async ({ host, signal, json, print }) => {
        const options: EventOptions = { follow, history: true, signal, ...defined({ after, subject }) };
        const events = host.events(options);
        if (!follow) {
          const all: HostEvent[] = [];
          for await (const event of events) all.push(event);
          print(all, all.map(formatEvent).join('\n'));
          return;
        }
        for await (const event of events) {
          app.stdout.write(`${json ? JSON.stringify(event) : formatEvent(event)}\n`);
        }
      });
    });

  program
    .command('metrics')
    .description('print the metrics of networks, interfaces and pools in the Prometheus text format')
    .addHelpText('after', examples('metrics', 'metrics > /var/lib/prometheus/node-exporter/vethwork.prom'))
    .action(async (_flags: object, command: Command) => {
      await withHost(app, command, async ({ host, print }) => {
        const text = await host.metrics();
        print({ metrics: text }, text.trimEnd());
      });
    });

  program
    .command('stats')
    .description('show the traffic counters of networks and interfaces')
    .addHelpText('after', examples('stats', 'stats --json'))
    .action(async (_flags: object, command: Command) => {
      await withHost(app, command, async ({ host, print }) => {
        const networks = await Promise.all(
          (await host.listNetworks()).map(async ({ uuid, name }) => ({
            ...{ uuid, name },
            counters: await (await host.getNetwork(uuid)).counters(),
          })),
        );
        const interfaces = await Promise.all(
          (await host.listInterfaces())
            .filter(({ node }) => node === host.info.node)
            .map(async ({ uuid, device, network }) => ({
              ...{ uuid, device, network },
              counters: await (await host.getInterface(uuid)).counters(),
            })),
        );
        print({ networks, interfaces }, formatStatistics({ networks, interfaces }));
      });
    });
}
