import type { Command } from 'commander';
import type { ClaimOptions, GuestOptions, Host, Network, PoolOptions, PoolSummary } from '../api/types.js';
import { formatInterface } from '../format/format.js';
import { formatPools } from '../format/pool.js';
import { defined } from '../util/defined.js';
import type { App } from './app.js';
import { examples } from './help.js';
import { parseInteger, parseMetadata } from './parse.js';
import { withHost, withRepairedHost } from './session.js';

type CreateFlags = Omit<PoolOptions, 'kind' | 'signal' | 'guest'> & {
  [Field in keyof GuestOptions as `guest${Capitalize<Field>}`]?: string;
};
type ClaimFlags = Pick<ClaimOptions, 'hostname' | 'instance' | 'metadata'>;

/** Adds `vethwork pool …`. A pool is identified by its network and its UUID or name. */
export function addPoolCommands(program: Command, app: App): void {
  const pool = program.command('pool').description('keep interfaces prepared, and claim them in microseconds');
  const identified = (command: Command) =>
    command.argument('<network>', 'UUID or name').argument('<pool>', 'UUID or name');

  pool
    .command('create')
    .description('create a pool of prepared interfaces, or change its limits, and print it')
    .argument('<network>', 'UUID or name')
    .argument('<kind>', 'tap, namespace or clone')
    .requiredOption('--min <number>', 'free slots to keep at least', parseInteger)
    .option('--max <number>', 'free slots to keep at most (default: 4 times --min)', parseInteger)
    .option('--name <name>', 'name, unique within the network (default: the kind)')
    .option('--order <number>', 'position of the NIC in its instance (default 0)', parseInteger)
    .option('--model <model>', 'model of the NIC, for display (default virtio)')
    .option('--owner <uid>', 'user id that may open the taps', parseInteger)
    .option('--multi-queue', 'create the taps with several queues')
    .option('--no-anti-spoofing', 'let the interfaces send from any MAC and address')
    .option('--guest-tap <name>', 'clone: name of the tap of all guests')
    .option('--guest-mac <address>', 'clone: MAC of all guests')
    .option('--guest-address <address>', 'clone: address of all guests')
    .option('--guest-gateway <address>', 'clone: gateway of all guests')
    .addHelpText('after', examples('pool create demo tap --min 20', 'pool create demo namespace --min 50 --max 200'))
    .action(async (network: string, kind: string, flags: CreateFlags, command: Command) => {
      await withRepairedHost(app, command, async ({ host, signal, print }) => {
        const { antiSpoofing, min, guestTap, guestMac, guestAddress, guestGateway, ...rest } = flags;
        const guest = defined({ tap: guestTap, mac: guestMac, address: guestAddress, gateway: guestGateway });
        const options = {
          min,
          // An incomplete guest is refused with the name of what is missing.
          ...(Object.keys(guest).length > 0 && { guest: guest as GuestOptions }),
          ...defined({ ...rest, antiSpoofing: antiSpoofing === false ? false : undefined }),
          signal,
        };
        // The kind is checked with the other options.
        const made = await (await host.getNetwork(network)).prepare({ kind: kind as PoolOptions['kind'], ...options });
        const summary: PoolSummary = { ...made.info, ...(await made.status()) };
        print(summary, formatPools([summary]));
      });
    });

  pool
    .command('list')
    .description('list pools with the number of their free and claimed slots')
    .argument('[network]', 'list only the pools of this network: UUID or name')
    .addHelpText('after', examples('pool list', 'pool list demo --json'))
    .action(async (network: string | undefined, _flags: object, command: Command) => {
      await withHost(app, command, async ({ host, print }) => {
        const { uuid } = network === undefined ? { uuid: undefined } : await host.getNetwork(network);
        const pools = (await host.listPools()).filter((each) => uuid === undefined || each.network === uuid);
        print(pools, formatPools(pools));
      });
    });

  identified(pool.command('claim').description('claim an interface of a pool and print it'))
    .option('--hostname <name>', 'name given by DHCP and DNS, unique within the network')
    .option('--instance <id>', 'instance of the interface, for display')
    .option('--metadata <key=value>', 'store a value with the interface (may be repeated)', parseMetadata)
    .addHelpText('after', examples('pool claim demo tap --hostname web'))
    .action(async (network: string, slot: string, flags: ClaimFlags, command: Command) => {
      await withRepairedHost(app, command, async ({ host, signal, print }) => {
        const { info } = await (await host.getNetwork(network)).attach({ slot, ...defined({ ...flags }), signal });
        print(info, formatInterface(info));
      });
    });

  identified(pool.command('resize').description('change the limits of a pool and print it'))
    .option('--min <number>', 'free slots to keep at least', parseInteger)
    .option('--max <number>', 'free slots to keep at most', parseInteger)
    .addHelpText('after', examples('pool resize demo tap --min 50 --max 100'))
    .action(async (network: string, id: string, flags: { min?: number; max?: number }, command: Command) => {
      await withRepairedHost(app, command, async ({ host, signal, print }) => {
        const found = await findPool(host, network, id);
        await found.resize({ ...defined({ ...flags }), signal });
        const summary: PoolSummary = { ...found.info, ...(await found.status()) };
        print(summary, formatPools([summary]));
      });
    });

  identified(
    pool.command('delete').description('delete a pool and its free slots; claimed slots stay until they are detached'),
  )
    .addHelpText('after', examples('pool delete demo tap'))
    .action(async (network: string, id: string, _flags: object, command: Command) => {
      await withHost(app, command, async ({ host, print }) => {
        const found = await findPool(host, network, id);
        await found.delete();
        print({ deleted: found.uuid }, `deleted pool ${found.uuid}`);
      });
    });
}

const findPool = async (host: Host, network: string, pool: string): ReturnType<Network['getPool']> =>
  (await host.getNetwork(network)).getPool(pool);
