import type { Command } from 'commander';
import type { Host, Interface, Migration } from '../api/types.js';
import { ConflictError, ValidationError } from '../errors.js';
import { formatInterface } from '../format/format.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import { defined } from '../util/defined.js';
import type { App } from './app.js';
import { examples } from './help.js';
import { flagOf, parseInteger, parseNamespace } from './parse.js';
import { withHost } from './session.js';

interface MigrateFlags {
  to?: string;
  tap?: string;
  owner?: number;
  multiQueue?: true;
  netns?: NamespaceRef;
  name?: string;
  configure?: true;
  prepare?: true;
  switch?: true;
  abort?: true;
  waitForSource: boolean;
}

const STEPS = ['prepare', 'switch', 'abort'] as const;

/** Adds `vethwork interface migrate`. */
export function addMigrateCommand(parent: Command, app: App): void {
  parent
    .command('migrate')
    .description('move an interface to another node of the cluster: prepares the target, then switches')
    .argument('<interface>', 'UUID or device')
    .option('--to <node>', 'name of the target')
    .option('--tap <name>', 'name of the tap on the target (default: as on the source)')
    .option('--owner <uid>', 'user id that may open the tap (default: as on the source)', parseInteger)
    .option('--multi-queue', 'create the tap with several queues (default: as on the source)')
    .option('--netns <ref>', 'namespace of the container on the target: name, path or pid', parseNamespace)
    .option('--name <name>', 'name of the veth in the namespace (default: as on the source)')
    .option('--configure', 'set address, routes and MTU in the namespace (default: as on the source)')
    .option('--prepare', 'only prepare the target')
    .option('--switch', 'only switch to the prepared target')
    .option('--abort', 'remove the prepared target')
    .option('--no-wait-for-source', 'switch although the source is gone; its instance must not run')
    .addHelpText(
      'after',
      examples(
        'interface migrate vnet0 --to node3',
        'interface migrate vnet0 --to node3 --tap vnet7 --prepare',
        'interface migrate 0e2a9f0c-1d3c-4a59-8a10-6d3e1b4b2a11 --switch',
      ),
    )
    .action(async (id: string, flags: MigrateFlags, command: Command) => {
      const step = stepOf(flags);
      await withHost(app, command, async ({ host, signal, print }) => {
        const nic = await host.getInterface(id);
        const { info } = await run(host, nic, { ...flags, step, signal });
        print(info, formatInterface(info));
      });
    });
}

/** @throws ValidationError for several steps, or options of other steps */
function stepOf(flags: MigrateFlags): (typeof STEPS)[number] | undefined {
  const { to, waitForSource, switch: _, prepare: __, abort: ___, ...target } = flags;
  const [step, ...others] = STEPS.filter((each) => flags[each]);
  const given = [step, ...others].map((each) => `--${each}`);
  if (others.length > 0) throw new ValidationError('migrate', given, 'at most one of --prepare, --switch and --abort');
  const needsTarget = step === undefined || step === 'prepare';
  if (needsTarget && to === undefined) throw new ValidationError('--to', undefined, 'the name of the target');
  const [extra] = Object.keys(needsTarget ? {} : defined({ to, ...target }));
  if (extra !== undefined) throw new ValidationError(flagOf(extra), flags[extra as 'to'], `no value with --${step}`);
  if (!waitForSource && (step === 'prepare' || step === 'abort'))
    throw new ValidationError('--no-wait-for-source', true, `no value with --${step}`);
  return step;
}

/** Resolves to the interface after the step. */
async function run(
  host: Host,
  nic: Interface,
  options: MigrateFlags & { step: (typeof STEPS)[number] | undefined; signal: AbortSignal },
): Promise<Interface> {
  const { step, signal, waitForSource, to, tap, owner, multiQueue, netns, name, configure } = options;
  if (step === 'switch') return (await present(nic)).switch({ waitForSource, signal });
  if (step === 'abort') {
    await (await present(nic)).abort();
    return host.getInterface(nic.uuid);
  }
  const target = defined({ tap, owner, multiQueue, netns, name, configure });
  const migration = await nic.migrate({ to: to as string, ...target, signal });
  if (step === 'prepare') return nic;
  try {
    return await migration.switch({ waitForSource, signal });
  } catch (error) {
    // Nothing if it has been switched.
    await migration[Symbol.asyncDispose]();
    throw error;
  }
}

/** @throws ConflictError */
async function present(nic: Interface): Promise<Migration> {
  const migration = await nic.migration();
  if (migration === undefined) throw new ConflictError(`interface ${nic.uuid} is not being migrated`);
  return migration;
}
