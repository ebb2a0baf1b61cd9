import type { Command } from 'commander';
import { ValidationError } from '../errors.js';
import type { EtcdOptions } from '../store/etcd/client.js';
import { defined } from '../util/defined.js';
import { withoutUser } from '../util/hidden.js';
import { type App, print } from './app.js';
import { globalsOf } from './globals.js';
import { examples } from './help.js';

interface MigrateFlags {
  to: string;
  node: string;
  ca?: string;
  cert?: string;
  key?: string;
  username?: string;
}

/** Environment variable with the password. */
const PASSWORD = 'VETHWORK_ETCD_PASSWORD';
const EXPECTED = 'etcd://address:port[,address:port…][/prefix], or etcds://… with TLS';

/** Expected form, and where user and password belong. */
const USER_EXPECTED = `${EXPECTED}; the user goes to --username, the password to the variable ${PASSWORD}`;

/** Parses `etcd://10.0.0.5:2379,10.0.0.6:2379/prefix`. */
export function parseEtcdUrl(text: string): Pick<EtcdOptions, 'etcd' | 'prefix'> {
  if (text.includes('@')) throw new ValidationError('--to', withoutUser(text), USER_EXPECTED);
  const [, secure, servers = '', prefix] = /^etcd(s?):\/\/([^/]+)(?:\/(.+))?$/.exec(text) ?? [];
  const addresses = servers.split(',');
  if (secure === undefined || addresses.some((each) => !/^(\[[0-9a-f:]+\]|[^:[\]]+):\d+$/i.test(each))) {
    throw new ValidationError('--to', text, EXPECTED);
  }
  return {
    etcd: addresses.map((address) => `http${secure}://${address}`),
    ...(prefix !== undefined && { prefix: `${prefix.replace(/\/$/, '')}/` }),
  };
}

export function addMigrateCommand(program: Command, app: App): void {
  program
    .command('migrate')
    .description('move the state of this machine into a cluster as its network node; networks keep running')
    .requiredOption('--to <url>', EXPECTED)
    .requiredOption('--node <name>', 'name of this machine in the cluster')
    .option('--ca <file>', 'PEM file: certificate authority of the servers')
    .option('--cert <file>', 'PEM file: certificate of the client')
    .option('--key <file>', 'PEM file: key of the client')
    .option('--username <name>', `user of etcd; the password is read from ${PASSWORD}`)
    .addHelpText('after', examples('migrate --to etcd://10.0.0.5:2379 --node node1'))
    .action(async ({ to, node, ca, cert, key, username }: MigrateFlags, command: Command) => {
      const globals = globalsOf(command);
      const [{ migrate }, { keyWarnings }] = await Promise.all([
        import('../cluster/migrate.js'),
        import('../agent/config.js'),
      ]);
      for (const warning of await keyWarnings(key)) app.stderr.write(`warning: ${warning}\n`);
      const tls = defined({ ca, cert, key });
      const password = process.env[PASSWORD];
      if (username !== undefined && !password) {
        throw new ValidationError(PASSWORD, undefined, 'the password of the user, in the environment');
      }
      const store: EtcdOptions = {
        ...parseEtcdUrl(to),
        ...(Object.keys(tls).length > 0 && { tls }),
        ...(username !== undefined && { username, password }),
      };
      const moved = await migrate({ stateDir: globals.stateDir, store, node });
      const text = `moved ${moved.networks} networks and ${moved.interfaces} interfaces; now run the agent of ${node}`;
      print(app, globals.json === true, moved, text);
    });
}
