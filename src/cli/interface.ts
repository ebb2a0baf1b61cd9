import type { Command } from 'commander';
import type { AttachCommon, AttachOptions } from '../api/types.js';
import { ValidationError } from '../errors.js';
import { formatInterface, formatInterfaces } from '../format/format.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import { defined } from '../util/defined.js';
import type { App } from './app.js';
import { examples } from './help.js';
import { addMigrateCommand } from './migration.js';
import { collect, flagOf, parseInteger, parseMetadata, parseNamespace } from './parse.js';
import { withHost, withRepairedHost } from './session.js';

export type AttachFlags = Omit<AttachCommon, 'signal' | 'allowedAddresses'> & {
  allowAddress?: string[];
  tap?: string;
  owner?: number;
  multiQueue?: true;
  netns?: NamespaceRef;
  name?: string;
  configure?: true;
  device?: string;
};

/** Options of `interface attach`. @throws ValidationError unless exactly one kind of attachment is given */
export function attachOptions(flags: AttachFlags): AttachOptions {
  const { tap, owner, multiQueue, netns, name, configure, device, allowAddress, antiSpoofing, ...others } = flags;
  const common = {
    ...others,
    antiSpoofing: antiSpoofing === false ? false : undefined,
    allowedAddresses: allowAddress,
  };
  const ways = Object.keys(defined({ tap, netns, device })).map((way) => `--${way}`);
  if (ways.length !== 1) {
    throw new ValidationError('attach', ways, 'exactly one of --tap, --netns and --device');
  }
  refuse({ owner, multiQueue }, tap === undefined, '--tap');
  refuse({ name, configure }, netns === undefined, '--netns');
  const rest = defined(common);
  if (tap !== undefined) {
    return { ...rest, tap, ...defined({ owner, multiQueue }) };
  }
  if (netns !== undefined) {
    return { ...rest, netns, ...defined({ name, configure }) };
  }
  return { ...rest, device: device as string };
}

function refuse(flags: Record<string, unknown>, when: boolean, way: string): void {
  const [given] = Object.entries(defined(flags));
  if (when && given !== undefined) {
    throw new ValidationError(flagOf(given[0]), given[1], `to be used only with ${way}`);
  }
}

/** Arguments and options of `interface attach` and `interface ensure`. */
function describeAttachment(command: Command): Command {
  return command
    .argument('<network>', 'UUID or name')
    .option('--tap <name>', 'create a tap with this name for a virtual machine')
    .option('--owner <uid>', 'user id that may open the tap (default: any user with CAP_NET_ADMIN)', parseInteger)
    .option('--multi-queue', 'create the tap with several queues')
    .option('--netns <ref>', 'create a veth into this namespace: name, path or pid', parseNamespace)
    .option('--name <name>', 'name of the veth in the namespace (default eth0)')
    .option('--configure', 'set address, routes and MTU in the namespace, without DHCP')
    .option('--device <name>', 'attach an existing link of the host')
    .option('--address <address>', 'fixed IPv4 address (default: a random free one)')
    .option('--mac <mac>', 'fixed MAC address (default: a random free one)')
    .option('--hostname <name>', 'name given by DHCP and DNS, unique within the network')
    .option('--order <number>', 'position of the NIC in its instance (default 0)', parseInteger)
    .option('--model <model>', 'model of the NIC, for display (default virtio)')
    .option('--no-anti-spoofing', 'let the interface send from any MAC and address')
    .option('--allow-address <address>', 'further address that the interface may send from (may be repeated)', collect)
    .option('--instance <id>', 'instance of the interface, for display')
    .option('--metadata <key=value>', 'store a value with the interface (may be repeated)', parseMetadata);
}

/** Adds `vethwork interface …`. An interface is identified by its UUID or by its device on the host. */
export function addInterfaceCommands(program: Command, app: App): void {
  const nic = program.command('interface').description("attach instances' interfaces and give them floating IPs");

  describeAttachment(nic.command('attach').description('attach an interface to a network and print it'))
    .addHelpText(
      'after',
      examples(
        'interface attach demo --tap vnet0 --mac 02:00:00:bd:cd:9b',
        'interface attach demo --netns /run/netns/c1 --name eth0 --configure',
        'interface attach demo --device vnet0 --address 172.16.0.232',
      ),
    )
    .action(async (network: string, flags: AttachFlags, command: Command) => {
      const options = attachOptions(flags);
      await withRepairedHost(app, command, async ({ host, signal, print }) => {
        const { info } = await (await host.getNetwork(network)).attach({ ...options, signal });
        print(info, formatInterface(info));
      });
    });

  describeAttachment(
    nic
      .command('ensure')
      .description('attach an interface unless it exists, and print it; fails if the existing one differs'),
  )
    .addHelpText(
      'after',
      examples(
        'interface ensure demo --tap vnet0',
        'interface ensure demo --netns /run/netns/c1 --name eth0 --configure',
      ),
    )
    .action(async (network: string, flags: AttachFlags, command: Command) => {
      const options = attachOptions(flags);
      await withRepairedHost(app, command, async ({ host, signal, print }) => {
        const { info } = await (await host.getNetwork(network)).ensureInterface({ ...options, signal });
        print(info, formatInterface(info));
      });
    });

  nic
    .command('list')
    .description('list interfaces')
    .argument('[network]', 'list only the interfaces of this network: UUID or name')
    .addHelpText('after', examples('interface list', 'interface list demo --json'))
    .action(async (network: string | undefined, _flags: object, command: Command) => {
      await withHost(app, command, async ({ host, print }) => {
        const nics =
          network === undefined ? await host.listInterfaces() : await (await host.getNetwork(network)).listInterfaces();
        print(nics, formatInterfaces(nics));
      });
    });

  nic
    .command('show')
    .description('print one interface')
    .argument('<interface>', 'UUID or device')
    .addHelpText('after', examples('interface show vnet0'))
    .action(async (id: string, _flags: object, command: Command) => {
      await withHost(app, command, async ({ host, print }) => {
        const { info } = await host.getInterface(id);
        print(info, formatInterface(info));
      });
    });

  nic
    .command('detach')
    .description('detach an interface from its network and release its addresses')
    .argument('<interface>', 'UUID or device')
    .addHelpText('after', examples('interface detach vnet0'))
    .action(async (id: string, _flags: object, command: Command) => {
      await withHost(app, command, async ({ host, print }) => {
        const found = await host.getInterface(id);
        await found.detach();
        print({ detached: found.uuid }, `detached interface ${found.uuid}`);
      });
    });

  addMigrateCommand(nic, app);

  nic
    .command('float')
    .description('give an interface a floating IP and print it')
    .argument('<interface>', 'UUID or device')
    .option('--address <address>', 'address of the floating network (default: a random free one)')
    .addHelpText('after', examples('interface float vnet1', 'interface float vnet1 --address 192.168.15.29'))
    .action(async (id: string, { address: wanted }: { address?: string }, command: Command) => {
      await withRepairedHost(app, command, async ({ host, print }) => {
        const found = await host.getInterface(id);
        const floating = await found.float(defined({ address: wanted }));
        print({ interface: found.uuid, floating }, floating);
      });
    });

  nic
    .command('defloat')
    .description('remove the floating IP of an interface and its connections')
    .argument('<interface>', 'UUID or device')
    .addHelpText('after', examples('interface defloat vnet1'))
    .action(async (id: string, _flags: object, command: Command) => {
      await withHost(app, command, async ({ host, print }) => {
        const found = await host.getInterface(id);
        await found.defloat();
        print({ defloated: found.uuid }, `interface ${found.uuid} has no floating IP`);
      });
    });
}
