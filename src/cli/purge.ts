import type { Command } from 'commander';
import { ConflictError, ValidationError } from '../errors.js';
import type { Leftover } from '../reconcile/purge.js';
import { type App, print } from './app.js';
import { exitCodes } from './error.js';
import { globalsOf } from './globals.js';
import { examples } from './help.js';
import { interruptible } from './interrupt.js';

interface PurgeFlags {
  dryRun?: boolean;
  yes?: boolean;
}

/** Adds `vethwork purge`. It opens no host, because there is no state. */
export function addPurgeCommand(program: Command, app: App): void {
  program
    .command('purge')
    .description(
      'remove everything that vethwork created in the network namespace of the host and that is in no record, after ' +
        'the state folder was lost or adopted; end all processes that use the host before',
    )
    .option('--dry-run', 'list the objects without removing them')
    .option('--yes', 'remove them')
    .addHelpText('after', examples('purge --dry-run', 'purge --yes', 'purge --host-netns node1 --dry-run --json'))
    .action(async ({ dryRun = false, yes = false }: PurgeFlags, command: Command) => {
      if (dryRun === yes)
        throw new ValidationError('purge', dryRun ? '--dry-run --yes' : '', 'either --dry-run or --yes');
      const { json = false, stateDir: state, hostNetns } = globalsOf(command);
      const [{ purge }, { openKernelIn }, { requirePrivileges }, { recordedObjects, requireLostState }] =
        await Promise.all([
          import('../reconcile/purge.js'),
          import('../host/kernel.js'),
          import('../host/privileges.js'),
          import('../host/foreign.js'),
        ]);
      await requirePrivileges('purging a host');
      const kernel = await openKernelIn(hostNetns);
      try {
        const recorded = () => recordedObjects(kernel, hostNetns, state);
        const known = await recorded();
        if (known === undefined) await requireLostState(kernel, hostNetns);
        if (known !== undefined && (await purge(kernel, { netns: hostNetns, dryRun: true, recorded })).length === 0) {
          throw new ConflictError(
            `${known.bridge} is recorded in ${state}, and so is everything else: the state is not lost. ` +
              'Delete its networks, then run "vethwork teardown"',
          );
        }
        const results = await interruptible((signal) =>
          purge(kernel, {
            ...{ netns: hostNetns, dryRun, recorded, signal },
            ...(!json && {
              onProgress: ({ leftover, done, total }) => app.stdout.write(`${done}/${total} ${text(leftover)}\n`),
            }),
          }),
        );
        if (json || dryRun) print(app, json, { dryRun, leftovers: results }, results.map(text).join('\n') || NOTHING);
        else if (results.length === 0) app.stdout.write(`${NOTHING}\n`);
        if (results.some(({ error }) => error !== undefined)) app.exitCode = exitCodes.failure;
      } finally {
        await kernel.close();
      }
    });
}

const NOTHING = 'nothing of vethwork found';

function text({ kind, name, network, action, error }: Leftover): string {
  const of = network === undefined || network === name ? '' : ` (network ${network})`;
  return `${action} ${kind} ${name}${of}${error === undefined ? '' : `: failed: ${error}`}`;
}
