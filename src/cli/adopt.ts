import type { Command } from 'commander';
import type { Adoption } from '../api/adopt.js';
import { ValidationError } from '../errors.js';
import { repairText } from '../format/repair.js';
import { defined } from '../util/defined.js';
import { type App, print } from './app.js';
import { globalsOf } from './globals.js';
import { examples } from './help.js';
import { addSettingOptions, type SettingFlags, settingsOf } from './host.js';
import { interruptible } from './interrupt.js';

type AdoptFlags = SettingFlags & {
  dryRun?: boolean;
  yes?: boolean;
};

/** Adds `vethwork adopt`. It opens no host before, because there is no state. */
export function addAdoptCommand(program: Command, app: App): void {
  addSettingOptions(program.command('adopt'))
    .description(
      'rebuild the records of a lone host from the kernel after its state folder was lost; traffic is not interrupted; ' +
        'end all processes that use the host before',
    )
    .option('--dry-run', 'list what can be rebuilt, and what cannot')
    .option('--yes', 'write the records')
    .addHelpText('after', examples('adopt --dry-run', 'adopt --yes', 'adopt --host-netns node1 --dry-run --json'))
    .action(async ({ dryRun = false, yes = false, ...flags }: AdoptFlags, command: Command) => {
      if (dryRun === yes)
        throw new ValidationError('adopt', dryRun ? '--dry-run --yes' : '', 'either --dry-run or --yes');
      const { json = false, stateDir, hostNetns: netns, egressNic, meshNic, floatingNetwork } = globalsOf(command);
      const { adoptHost } = await import('../api/adopt.js');
      const adoption = await interruptible((signal) =>
        adoptHost({
          ...settingsOf(command, flags),
          ...defined({ netns, egressNic, meshNic, floatingNetwork }),
          ...{ stateDir, dryRun, signal },
        }),
      );
      print(app, json, adoption, text(adoption));
    });
}

function text({ dryRun, host, networks, skipped, repairs }: Adoption): string {
  const withDefaults = (names: string[]) => (names.length === 0 ? '' : ` (default: ${names.join(', ')})`);
  return [
    `${dryRun ? 'can adopt' : 'adopted'} the host: egress NIC ${host.egressNic}, mesh NIC ${host.meshNic}, ` +
      `floating network ${host.floatingNetwork}, outbound NAT ${host.outboundNat ? 'on' : 'off'}`,
    ...networks.flatMap(({ uuid, name, netblock, defaults, interfaces }) => [
      `network ${name} ${netblock} (${uuid})${withDefaults(defaults)}`,
      ...interfaces.map(({ device, address, mac, floating, defaults: own }) => {
        return `  ${device} ${address} ${mac}${floating === undefined ? '' : ` floating ${floating}`}${withDefaults(own)}`;
      }),
    ]),
    ...skipped.map(({ kind, name, reason }) => `left alone: ${kind} ${name}: ${reason}`),
    ...(skipped.length === 0 ? [] : ['"vethwork purge" removes what was left alone']),
    ...repairs.map((repair) => `repaired: ${repairText(repair)}`),
  ].join('\n');
}
