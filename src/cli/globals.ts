import { type Command, Option } from 'commander';
import type { HostOptions } from '../api/types.js';
import { ValidationError } from '../errors.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import { hasStore } from '../store/folder.js';
import { defined } from '../util/defined.js';
import { readHostFile } from './host-file.js';
import { parseNamespace } from './parse.js';
import type { HostFile } from './parse-host-file.js';

/** Global options. They may be given before or after the command. */
export interface GlobalOptions {
  json?: true;
  stateDir: string;
  /** Configuration file of this node's agent. */
  cluster?: string;
  hostNetns?: NamespaceRef;
  egressNic?: string;
  meshNic?: string;
  floatingNetwork?: string;
}

export function addGlobalOptions(program: Command): Command {
  return program
    .addOption(new Option('--json', 'print JSON'))
    .addOption(new Option('--state-dir <dir>', 'state folder').env('VETHWORK_STATE_DIR').default('/var/lib/vethwork'))
    .addOption(
      new Option('--cluster <file>', 'configuration file of the agent, if this machine is a node of a cluster').env(
        'VETHWORK_CLUSTER',
      ),
    )
    .addOption(
      new Option('--host-netns <ref>', 'network namespace that represents the host: name, path or pid')
        .env('VETHWORK_HOST_NETNS')
        .argParser(parseNamespace),
    )
    .addOption(new Option('--egress-nic <name>', 'NIC that reaches the outside').env('VETHWORK_EGRESS_NIC'))
    .addOption(new Option('--mesh-nic <name>', 'NIC that carries the VXLAN mesh').env('VETHWORK_MESH_NIC'))
    .addOption(
      new Option('--floating-network <cidr>', 'IPv4 network of the floating addresses').env(
        'VETHWORK_FLOATING_NETWORK',
      ),
    );
}

/** Global options of the command that is running. */
export function globalsOf(command: Command): GlobalOptions {
  return command.optsWithGlobals<GlobalOptions>();
}

/**
 * Options of `openHost`: flags, environment, and the file of an earlier version. The state folder remembers the others.
 */
export async function hostOptions(globals: GlobalOptions, more: Partial<HostFile> = {}): Promise<HostOptions> {
  const given = defined({
    netns: globals.hostNetns,
    egressNic: globals.egressNic,
    meshNic: globals.meshNic,
    floatingNetwork: globals.floatingNetwork,
  });
  const options = { ...(await readHostFile(globals.stateDir)), ...more, ...given, stateDir: globals.stateDir };
  if (!(await hasStore(globals.stateDir))) {
    if (options.egressNic === undefined) {
      throw new ValidationError('--egress-nic', undefined, 'the name of a NIC, once with "vethwork init"');
    }
    if (options.floatingNetwork === undefined) {
      throw new ValidationError('--floating-network', undefined, 'a CIDR, once with "vethwork init"');
    }
  }
  return options;
}
