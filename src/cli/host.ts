import type { Command } from 'commander';
import type { HostOptions } from '../api/types.js';
import { ConflictError } from '../errors.js';
import { formatStatus } from '../format/format.js';
import { repairText } from '../format/repair.js';
import { defined } from '../util/defined.js';
import type { App } from './app.js';
import { examples } from './help.js';
import { collect, parseDuration, parseInteger } from './parse.js';
import { type Session, withHost, withRepairedHost } from './session.js';

/** Flags of the settings of a host. */
export type SettingFlags = Partial<
  Pick<
    HostOptions,
    | 'outboundNat'
    | 'allowMetadata'
    | 'vxlanPort'
    | 'neighbourTable'
    | 'deletionHalo'
    | 'synchronousCommit'
    | 'domain'
    | 'tenant'
  >
> & {
  dnsServer?: string[];
};

/** Adds the options for the settings of a host that are not global. */
export function addSettingOptions(command: Command): Command {
  return command
    .option('--outbound-nat', 'masquerade the floating network out of the egress NIC')
    .option('--no-outbound-nat', 'do not masquerade (default)')
    .option('--allow-metadata', 'let instances reach the metadata services of clouds, such as 169.254.169.254')
    .option('--no-allow-metadata', 'do not let them (default)')
    .option('--vxlan-port <port>', 'UDP port of VXLAN (default 4789)', parseInteger)
    .option(
      '--neighbour-table <entries>',
      "minimum size of the machine's neighbour table (gc_thresh1, 2, 3); default: unchanged",
      parseInteger,
    )
    .option('--deletion-halo <duration>', 'time before a released address is used again (default 5m)', parseDuration)
    .option('--synchronous-commit', 'return when a change is on disk (default)')
    .option('--no-synchronous-commit', 'return before; a failure of the machine may lose the last seconds')
    .option(
      '--dns-server <address>',
      'resolver of instances (may be repeated; default: the resolvers of this machine)',
      collect,
    )
    .option('--domain <name>', 'DNS domain of instances (default vethwork.internal)')
    .option('--tenant <name>', 'owner of new networks (default system)');
}

/** Returns the settings that were given. */
export function settingsOf(
  command: Command,
  { dnsServer, outboundNat, allowMetadata, synchronousCommit, ...rest }: SettingFlags,
): Partial<HostOptions> {
  const given = (name: string, value?: boolean) => (command.getOptionValueSource(name) === 'cli' ? value : undefined);
  const flags = {
    outboundNat: given('outboundNat', outboundNat),
    allowMetadata: given('allowMetadata', allowMetadata),
    synchronousCommit: given('synchronousCommit', synchronousCommit),
  };
  return defined({ ...rest, ...flags, dnsServers: dnsServer });
}

/** Adds the commands for the host. */
export function addHostCommands(program: Command, app: App): void {
  addSettingOptions(program.command('init'))
    .description('set up the host (egress bridge, forwarding) or change its settings; later commands need no options')
    .addHelpText(
      'after',
      examples(
        'init --egress-nic eth0 --floating-network 192.168.15.0/24',
        'init --egress-nic eth0 --mesh-nic eth1 --floating-network 192.168.15.0/24 --outbound-nat',
      ),
    )
    .action(async (flags: SettingFlags, command: Command) => {
      const more = { ...settingsOf(command, flags), updateSettings: true };
      await withRepairedHost(app, command, initialise, more);
    });

  program
    .command('status')
    .description('show the host, its networks and the pending repairs')
    .addHelpText('after', examples('status', 'status --json'))
    .action(async (_flags: object, command: Command) => {
      await withHost(app, command, showStatus);
    });

  program
    .command('accept-store')
    .description('accept the current content of the cluster store after it was restored from a backup')
    .addHelpText('after', examples('accept-store'))
    .action(async (_flags: object, command: Command) => {
      await withHost(app, command, async ({ host, print }) => {
        await host.acceptStore();
        print({ accepted: true }, 'accepted: nodes remove objects that the store does not contain');
      });
    });

  program
    .command('reconcile')
    .description('make the kernel and dnsmasq match the desired state, and print the repairs')
    .option('--dry-run', 'print the repairs without making them')
    .addHelpText('after', examples('reconcile --dry-run', 'reconcile'))
    .action(async ({ dryRun = false }: { dryRun?: boolean }, command: Command) => {
      await withHost(app, command, async ({ host, print }) => {
        const repairs = await host.reconcile({ dryRun });
        print({ dryRun, repairs }, repairs.length === 0 ? 'nothing to repair' : repairs.map(repairText).join('\n'));
      });
    });

  program
    .command('teardown')
    .description('remove what init or the agent created; refused while networks exist or the agent is running')
    .addHelpText('after', examples('teardown'))
    .action(async (_flags: object, command: Command) => {
      await withHost(app, command, async ({ host, print }) => {
        await host.teardown();
        print({ removed: host.info.egressBridge }, `removed ${host.info.egressBridge}`);
      });
    });
}

async function initialise(session: Session): Promise<void> {
  if (session.options === undefined)
    throw new ConflictError('this machine is a node of a cluster: start the agent, which sets it up');
  await session.host.repaired();
  await showStatus(session);
}

async function showStatus({ host, print }: Session): Promise<void> {
  const status = {
    host: await host.refresh(),
    repairs: await host.reconcile({ dryRun: true }),
    networks: await host.listNetworks(),
    pools: await host.listPools(),
  };
  print(status, formatStatus(status));
}
