import type { Host, Interface, Network } from '../../api/types.js';
import type { Contender, FloatSpec, NetworkSpec, Peer } from '../contender.js';
import type { Lan } from '../lan.js';
import { type Slot, uplink } from '../stage.js';

function peer(name: string, title: string, description: string, dhcp: boolean): Peer {
  return {
    name,
    title,
    description,
    inProcess: true,
    longRunning: true,
    maxInterfaces: 1000,
    missing: async () => undefined,
    open: ({ host }) => ModelContender.open(host, dhcp),
  };
}

/** The public API of vethwork with default settings: a network with DHCP, NAT and anti-spoofing. */
export const model = peer(
  'model',
  'vethwork',
  'the public API with default settings (DHCP, NAT, anti-spoofing): addresses are allocated, and records are durable',
  true,
);

export const modelWithoutDhcp = peer(
  'model-without-dhcp',
  'vethwork, without DHCP',
  'as vethwork, on a network without DHCP: dnsmasq does not run',
  false,
);

class ModelContender implements Contender {
  readonly #interfaces = new Map<string, Interface>();
  readonly #networks = new Map<string, Network>();
  readonly #floating = new Map<string, Interface>();

  private constructor(
    private readonly host: Host,
    private readonly network: Network,
    readonly lan: Lan,
  ) {}

  static async open(host: Host, provideDhcp: boolean): Promise<ModelContender> {
    const netblock = '172.21.0.0/16';
    const network = await host.createNetwork({
      name: provideDhcp ? 'bench' : 'bench-without-dhcp',
      netblock,
      provideDhcp,
    });
    const bridge = `br-vxlan-${network.info.vni.toString(16).padStart(6, '0')}`;
    return new ModelContender(host, network, {
      bridge,
      gateway: network.info.gateway,
      prefix: 16,
      outside: uplink.outside,
    });
  }

  cpu(): number {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  }

  async attach(slots: readonly Slot[]): Promise<undefined> {
    await Promise.all(
      slots.map(async ({ netns, device }) => {
        this.#interfaces.set(device, await this.network.attach({ netns, name: 'eth0', configure: true }));
      }),
    );
  }

  async attachTaps(slots: readonly Slot[]): Promise<undefined> {
    await Promise.all(
      slots.map(async ({ device }) => {
        this.#interfaces.set(device, await this.network.attach({ tap: device }));
      }),
    );
  }

  async detach(slots: readonly Slot[]): Promise<undefined> {
    await Promise.all(
      slots.map(async ({ device }) => {
        await this.#interfaces.get(device)?.detach();
        this.#interfaces.delete(device);
      }),
    );
  }

  async drain(): Promise<undefined> {
    await this.host.drained();
  }

  async createNetwork(spec: NetworkSpec): Promise<undefined> {
    const { uuid, netblock, dhcp } = spec;
    const network = await this.host.createNetwork({ name: `bench-${uuid}`, uuid, netblock, provideDhcp: dhcp });
    spec.vni = network.info.vni;
    this.#networks.set(uuid, network);
  }

  async deleteNetwork({ uuid }: NetworkSpec): Promise<undefined> {
    await this.#networks.get(uuid)?.delete();
    this.#networks.delete(uuid);
  }

  /** Creates the interfaces that get floating addresses. Not measured. */
  async prepareFloats({ uuid }: NetworkSpec, floats: readonly FloatSpec[]): Promise<void> {
    await Promise.all(
      floats.map(async ({ address, target }, index) => {
        const options = {
          tap: `t${uuid.slice(0, 4)}${address.split('.').slice(2).join('.')}${index}`,
          address: target,
        };
        const nic = await this.#networks.get(uuid)?.attach(options);
        if (nic !== undefined) this.#floating.set(address, nic);
      }),
    );
  }

  async float(_spec: NetworkSpec, floats: readonly FloatSpec[]): Promise<undefined> {
    for (const { address } of floats) await this.#floating.get(address)?.float({ address });
  }

  async defloat(_spec: NetworkSpec, floats: readonly FloatSpec[]): Promise<undefined> {
    for (const { address } of floats) await this.#floating.get(address)?.defloat();
  }

  async close(): Promise<void> {
    for (const network of [this.network, ...this.#networks.values()]) await network.delete();
    await this.host.drained();
  }
}
