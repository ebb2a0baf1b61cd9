import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Host, type HostOptions, openHost } from '../../src/index.js';
import { attempt, NotRunError } from './attempt.js';
import { connect, TestNamespace } from './namespaces.js';
import { ping } from './ping.js';
import { askTcp } from './traffic.js';

/** The machine of the walk-through as namespaces: the host, and the outside at its uplink. */
export class TestHost {
  readonly #handles: Host[] = [];
  readonly #guests: TestNamespace[] = [];

  private constructor(
    readonly node: TestNamespace,
    readonly world: TestNamespace,
    readonly options: HostOptions,
  ) {}

  static async create(options: Partial<HostOptions> = {}): Promise<TestHost> {
    const [node, world] = [await TestNamespace.create('node'), await TestNamespace.create('world')];
    await connect([node, 'eth0'], [world, 'up0']);
    await node.ip('link', 'set', 'eth0', 'mtu', '8950');
    await world.ip('link', 'set', 'up0', 'mtu', '8950');
    await node.ip('address', 'add', '10.0.0.74/24', 'dev', 'eth0');
    await world.ip('address', 'add', '10.0.0.1/24', 'dev', 'up0');
    await node.ip('route', 'add', 'default', 'via', '10.0.0.1');
    await world.ip('route', 'add', '192.168.15.0/24', 'via', '10.0.0.74');
    return new TestHost(node, world, {
      netns: node.name,
      egressNic: 'eth0',
      floatingNetwork: '192.168.15.0/24',
      stateDir: await mkdtemp(join(tmpdir(), 'vethwork-test-')),
      dnsServers: ['10.0.0.1'],
      ...options,
    });
  }

  /** Opens the state folder again, as another process does, and waits until its networks are repaired. */
  async open(options: Partial<HostOptions> = {}): Promise<Host> {
    const host = await openHost({ ...this.options, ...options });
    this.#handles.push(host);
    await host.repaired();
    return host;
  }

  /** Creates a container with a TCP server on port 80 that sends OK. */
  async guest(): Promise<TestNamespace> {
    const guest = await TestNamespace.create('guest');
    this.#guests.push(guest);
    guest.spawn('socat', ['TCP-LISTEN:80,fork,reuseaddr', "SYSTEM:'echo OK'"], { stdio: 'ignore' });
    return guest;
  }

  /** Closes all opened hosts. Their networks keep running. */
  async close(): Promise<void> {
    for (const host of this.#handles.splice(0)) await host.close();
  }

  /** Removes all networks and all namespaces. */
  async remove(): Promise<void> {
    const [host, ...others] = this.#handles;
    for (const other of others) await other.close();
    for (const { uuid } of (await host?.listNetworks()) ?? []) await (await host?.getNetwork(uuid))?.delete();
    await host?.drained();
    await host?.teardown();
    await host?.close();
    for (const namespace of [...this.#guests, this.world, this.node]) await namespace.remove();
    await rm(this.options.stateDir, { recursive: true, force: true });
  }
}

/** Sends one ICMP echo request; true if there is a reply. */
export function pings(from: TestNamespace, address: string, ...options: string[]): Promise<boolean> {
  return ping(from, address, '-W1', ...options);
}

/** Opens a TCP connection to port 80; true if the server sends OK. */
export async function talks(from: TestNamespace, address: string): Promise<boolean> {
  return (await askTcp(from, address, 80)) === 'OK';
}

/** Processes of a namespace; empty if it does not exist. */
export async function pidsIn(namespace: string): Promise<number[]> {
  const { exitCode, stdout, stderr } = await attempt('ip', 'netns', 'pids', namespace);
  if (exitCode !== 0 && !stderr.includes('No such file'))
    throw new NotRunError(`ip netns pids ${namespace}: ${stderr}`);
  return stdout.split('\n').filter(Boolean).map(Number);
}
