import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type {
  AttachOptions,
  CreateNetworkOptions,
  Host,
  HostOptions,
  Interface,
  Network,
} from '../../src/api/types.js';
import { type Background, inside, start } from '../../src/demo/tools.js';
import { openHost } from '../../src/index.js';
import { askForLease, type DhcpAnswer } from './dhcp.js';
import { connect, TestNamespace } from './namespaces.js';

type AttachExtras = Omit<Partial<AttachOptions>, 'netns' | 'tap' | 'device'>;

/** A namespace that represents an instance; its eth0 is attached to a network. */
export interface Instance {
  name: string;
  namespace: TestNamespace;
  nic: Interface;
  /** The DHCP lease; only for instances with a DHCP client. */
  lease?: DhcpAnswer | undefined;
}

export interface Setting {
  /** Sysctls of the host namespace, such as `ipv4.conf.all.rp_filter`, which are set before the host is opened. */
  sysctls?: Record<string, number>;
  options?: Partial<HostOptions>;
  /** Runs in the host namespace before the host is opened. */
  before?: (machine: TestNamespace) => Promise<unknown>;
}

/**
 * The machine of the walk-through: a namespace that represents the host, with an uplink `eth0` (MTU 8950, 10.0.0.74/24) to a
 * namespace that represents the outside (10.0.0.1, with a route to the floating network). Closing it removes everything.
 */
export class Walkthrough implements AsyncDisposable {
  readonly #instances: Instance[] = [];
  readonly #networks: Network[] = [];
  readonly #running: Background[] = [];

  private constructor(
    readonly machine: TestNamespace,
    readonly outside: TestNamespace,
    readonly options: HostOptions,
    public host: Host,
  ) {}

  static async open({ sysctls = {}, options = {}, before }: Setting = {}): Promise<Walkthrough> {
    const machine = await TestNamespace.create('host');
    const outside = await TestNamespace.create('outside');
    const state = await mkdtemp(path.join(tmpdir(), 'vethwork-e2e-'));
    try {
      await connect([machine, 'eth0'], [outside, 'eth0']);
      for (const [namespace, address] of [
        [machine, '10.0.0.74/24'],
        [outside, '10.0.0.1/24'],
      ] as const) {
        await namespace.ip('link', 'set', 'eth0', 'mtu', '8950');
        await namespace.ip('address', 'add', address, 'brd', '+', 'dev', 'eth0');
      }
      await machine.ip('route', 'add', 'default', 'via', '10.0.0.1');
      await outside.ip('route', 'add', '192.168.15.0/24', 'via', '10.0.0.74');
      for (const [key, value] of Object.entries(sysctls)) await machine.run('sysctl', '-qw', `net.${key}=${value}`);
      await before?.(machine);
      const complete = {
        netns: machine.name,
        stateDir: state,
        egressNic: 'eth0',
        floatingNetwork: '192.168.15.0/24',
        deletionHalo: 0,
        dnsServers: [],
        ...options,
      };
      return new Walkthrough(machine, outside, complete, await openHost(complete));
    } catch (error) {
      await outside.remove();
      await machine.remove();
      await rm(state, { recursive: true, force: true });
      throw error;
    }
  }

  /** Creates a network of the walk-through. Its floating gateway differs from the addresses that tests request. */
  async network(options: Partial<CreateNetworkOptions> = {}): Promise<Network> {
    const floatingGateway = `192.168.15.${194 + this.#networks.length}`;
    const network = await this.host.createNetwork({
      name: 'demo',
      netblock: '172.16.0.0/24',
      ...(options.provideNat !== false && { floatingGateway }),
      ...options,
    });
    this.#networks.push(network);
    return network;
  }

  /** Attaches a container; `attach` configures it. */
  async container(network: Network, name: string, extras: AttachExtras = {}): Promise<Instance> {
    return this.#instance(network, name, { configure: true, ...extras });
  }

  /** Attaches an instance with a real DHCP client. */
  async client(network: Network, name: string, extras: AttachExtras = {}): Promise<Instance> {
    const instance = await this.#instance(network, name, extras);
    await instance.namespace.ip('link', 'set', 'eth0', 'up');
    instance.lease = await askForLease(instance.namespace, 'eth0');
    return instance;
  }

  async #instance(network: Network, name: string, extras: object): Promise<Instance> {
    const namespace = await TestNamespace.create(name);
    try {
      const nic = await network.attach({ netns: namespace.name, name: 'eth0', hostname: name, ...extras });
      const instance = { name, namespace, nic };
      this.#instances.push(instance);
      return instance;
    } catch (error) {
      await namespace.remove();
      throw error;
    }
  }

  /** Opens the host again after it was closed, as another process does. */
  async reopen(options: Partial<HostOptions> = {}): Promise<void> {
    this.host = await openHost({ ...this.options, ...options });
    await this.host.repaired();
    for (const [index, { uuid }] of this.#networks.entries()) this.#networks[index] = await this.host.getNetwork(uuid);
  }

  /** The namespace of a network. */
  inside(network: Network): TestNamespace {
    return TestNamespace.named(network.uuid);
  }

  /** Starts a program that is stopped when everything is removed. */
  start(namespace: TestNamespace, ...command: string[]): Background {
    const background = start(inside(namespace.name, ...command));
    this.#running.push(background);
    return background;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#running.map((background) => background.stop()));
    // The removal of the namespaces also removes leftovers of a failed test.
    for (const network of this.#networks) await network.delete().catch(() => undefined);
    await this.host.drained().catch(() => undefined);
    await this.host.teardown().catch(() => undefined);
    await this.host.close();
    const namespaces = [
      ...this.#networks.map((network) => this.inside(network)),
      ...this.#instances.map(({ namespace }) => namespace),
      this.outside,
      this.machine,
    ];
    for (const namespace of namespaces) await namespace.remove();
    await rm(this.options.stateDir, { recursive: true, force: true });
  }
}
