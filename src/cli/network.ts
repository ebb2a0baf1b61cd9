import type { Command } from 'commander';
import type { CreateNetworkOptions } from '../api/types.js';
import { ValidationError } from '../errors.js';
import { formatAddresses, formatNetwork, formatNetworks } from '../format/format.js';
import { defined } from '../util/defined.js';
import type { App } from './app.js';
import { exitCodes } from './error.js';
import { examples } from './help.js';
import { parseDuration, parseInteger, parseMetadata } from './parse.js';
import { withHost, withRepairedHost } from './session.js';

type CreateFlags = {
  dhcp: boolean;
  nat: boolean;
  dns?: true;
} & Pick<
  CreateNetworkOptions,
  'vni' | 'floatingGateway' | 'router' | 'floatingPool' | 'uuid' | 'mtu' | 'tenant' | 'metadata'
>;

/** Arguments and options of `network create` and `network ensure`. */
function describeNetwork(command: Command): Command {
  return command
    .argument('<name>', 'name, unique among the networks of the tenant')
    .argument('<netblock>', 'IPv4 CIDR of the network, /8 to /29')
    .option('--no-dhcp', 'do not run a DHCP server')
    .option('--no-nat', 'isolate the network: no NAT, no floating gateway')
    .option('--dns', 'let instances resolve each other by name')
    .option('--vni <number>', 'VXLAN id, 1 to 16777215 (default: a random free one)', parseInteger)
    .option('--floating-gateway <address>', 'gateway address in the floating network (default: a random free one)')
    .option('--router <node>', 'network node of a cluster that routes it (default: the one with most free ports)')
    .option('--floating-pool <name>', 'floating pool of a cluster for its addresses outside (default: default)')
    .option('--uuid <uuid>', 'UUID (default: random)')
    .option('--mtu <bytes>', "MTU in bytes (default: the mesh NIC's MTU minus 50)", parseInteger)
    .option('--tenant <name>', 'owner of the network (default system)')
    .option('--metadata <key=value>', 'store a value with the network (may be repeated)', parseMetadata);
}

/** Options that were given. `ensure` does not compare the others. */
function givenOptions(command: Command): Partial<CreateNetworkOptions> {
  const { dhcp, nat, dns, ...rest } = command.opts<CreateFlags>();
  return defined({
    ...rest,
    provideDhcp: dhcp ? undefined : false,
    provideNat: nat ? undefined : false,
    provideDns: dns,
  });
}

/** Adds `vethwork network …`. A network is identified by its UUID or by its name, if the name is unique. */
export function addNetworkCommands(program: Command, app: App): void {
  const network = program.command('network').description('create, show, move and delete networks');

  describeNetwork(network.command('create').description('create a network and print it'))
    .addHelpText(
      'after',
      examples(
        'network create demo 172.16.0.0/24',
        'network create --no-nat --dns --metadata team=blue db 10.1.0.0/16',
      ),
    )
    .action(async (name: string, netblock: string, _flags: object, command: Command) => {
      await withRepairedHost(app, command, async ({ host, signal, print }) => {
        const { info } = await host.createNetwork({ name, netblock, signal, ...givenOptions(command) });
        print(info, formatNetwork(info));
      });
    });

  describeNetwork(
    network
      .command('ensure')
      .description('create a network unless it exists, and print it; fails if the existing one differs'),
  )
    .addHelpText(
      'after',
      examples('network ensure demo 172.16.0.0/24', 'network ensure demo 172.16.0.0/24 --dns --json'),
    )
    .action(async (name: string, netblock: string, _flags: object, command: Command) => {
      await withRepairedHost(app, command, async ({ host, signal, print }) => {
        const { info } = await host.ensureNetwork({ name, netblock, signal, ...givenOptions(command) });
        print(info, formatNetwork(info));
      });
    });

  network
    .command('list')
    .description('list all networks')
    .addHelpText('after', examples('network list', 'network list --json'))
    .action(async (_flags: object, command: Command) => {
      await withHost(app, command, async ({ host, print }) => {
        const networks = await host.listNetworks();
        print(networks, formatNetworks(networks));
      });
    });

  network
    .command('show')
    .description('print one network')
    .argument('<network>', 'UUID or name')
    .addHelpText('after', examples('network show demo'))
    .action(async (id: string, _flags: object, command: Command) => {
      await withHost(app, command, async ({ host, print }) => {
        const { info } = await host.getNetwork(id);
        print(info, formatNetwork(info));
      });
    });

  network
    .command('addresses')
    .description('list the addresses of a network that are in use or reserved')
    .argument('<network>', 'UUID or name')
    .addHelpText('after', examples('network addresses demo'))
    .action(async (id: string, _flags: object, command: Command) => {
      await withHost(app, command, async ({ host, print }) => {
        const addresses = await (await host.getNetwork(id)).listAddresses();
        print(addresses, formatAddresses(addresses));
      });
    });

  network
    .command('move')
    .description('move a network of a cluster to another network node')
    .argument('<network>', 'UUID or name')
    .requiredOption('--to <node>', 'name of the network node')
    .option('--force', 'do not ask the present router: only if its machine is certainly off')
    .addHelpText('after', examples('network move demo --to node2'))
    .action(async (id: string, { to, force = false }: { to: string; force?: boolean }, command: Command) => {
      await withHost(app, command, async ({ host, print }) => {
        const info = await (await host.getNetwork(id)).move({ to, force });
        print(info, `network ${info.name} is on ${info.router}`);
      });
    });

  network
    .command('delete')
    .description('delete a network, its interfaces and its addresses')
    .argument('<network>', 'UUID or name')
    .addHelpText('after', examples('network delete demo'))
    .action(async (id: string, _flags: object, command: Command) => {
      await withHost(app, command, async ({ host, print }) => {
        const found = await host.getNetwork(id);
        await found.delete();
        print({ deleted: found.uuid }, `deleted network ${found.uuid}`);
      });
    });

  addRouteCommands(network, app);
}

function addRouteCommands(network: Command, app: App): void {
  network
    .command('route')
    .description('route an address of the floating network into a network, to an instance that has the address')
    .argument('<network>', 'UUID or name')
    .argument('[address]', 'address of the floating network (default: a random free one)')
    .addHelpText('after', examples('network route demo', 'network route demo 192.168.15.30'))
    .action(async (id: string, wanted: string | undefined, _flags: object, command: Command) => {
      await withRepairedHost(app, command, async ({ host, print }) => {
        const found = await host.getNetwork(id);
        const address = await found.routeAddress(defined({ address: wanted }));
        print({ network: found.uuid, address }, address);
      });
    });

  network
    .command('unroute')
    .description('stop routing an address into a network and release it')
    .argument('<network>', 'UUID or name')
    .argument('<address>', 'a routed address of that network')
    .addHelpText('after', examples('network unroute demo 192.168.15.30'))
    .action(async (id: string, address: string, _flags: object, command: Command) => {
      await withHost(app, command, async ({ host, print }) => {
        const found = await host.getNetwork(id);
        await found.unrouteAddress(address);
        print({ network: found.uuid, unrouted: address }, `${address} is no longer routed`);
      });
    });

  network
    .command('ping')
    .description("send one ICMP echo from inside a network's namespace; exit code 1 if nothing answers")
    .argument('<network>', 'UUID or name')
    .argument('<address>', 'IPv4 address')
    .option('--timeout <duration>', 'time to wait for the reply (default 1s)', parseDuration, 1000)
    .addHelpText('after', examples('network ping demo 172.16.0.37'))
    .action(async (id: string, address: string, { timeout }: { timeout: number }, command: Command) => {
      if (timeout <= 0) {
        throw new ValidationError('--timeout', timeout, 'a positive number of milliseconds');
      }
      await withHost(app, command, async ({ host, print }) => {
        const time = await (await host.getNetwork(id)).ping(address, { timeout });
        print(
          { address, answered: time !== undefined, time: time ?? null },
          time === undefined
            ? `${address} did not answer within ${timeout} ms`
            : `${address} answered in ${time.toFixed(3)} ms`,
        );
        app.exitCode = time === undefined ? exitCodes.failure : exitCodes.ok;
      });
    });
}
