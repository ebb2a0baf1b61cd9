import type { Host, Interface, Network } from '../../api/types.js';
import type { Contender, FloatWish, NetworkWish, Peer } from '../contender.js';
import type { Lan } from '../lan.js';
import type { Slot } from '../stage.js';

function peer(name: string, title: string, description: string, dhcp: boolean): Peer {
  return {
    name,
    title,
    description,
    inProcess: true,
    stays: true,
    most: 1000,
    missing: async () => undefined,
    open: ({ host }) => ModelContender.open(host, dhcp),
  };
}

/** vethwork as users have it. */
export const model = peer(
  'model',
  'vethwork',
  'network.attach and its like: addresses are allocated, every step is durable before the kernel is touched',
  false,
);

export const modelWithDhcp = peer(
  'model-dhcp',
  'vethwork, with DHCP',
  'as vethwork, on a network whose dnsmasq knows of every interface before it is up',
  true,
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
    const network = await host.createNetwork({ name: provideDhcp ? 'bench-dhcp' : 'bench', netblock, provideDhcp });
    const bridge = `br-vxlan-${network.info.vni.toString(16).padStart(6, '0')}`;
    return new ModelContender(host, network, { bridge, gateway: network.info.gateway, prefix: 16 });
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
    await Promise.all(slots.map(({ device }) => this.#interfaces.get(device)?.detach()));
  }

  async drain(): Promise<undefined> {
    await this.host.drained();
  }

  async createNetwork(wish: NetworkWish): Promise<undefined> {
    const { uuid, netblock, dhcp } = wish;
    const network = await this.host.createNetwork({ name: uuid, uuid, netblock, provideDhcp: dhcp });
    wish.vni = network.info.vni;
    this.#networks.set(uuid, network);
  }

  async deleteNetwork({ uuid }: NetworkWish): Promise<undefined> {
    await this.#networks.get(uuid)?.delete();
    await this.host.drained();
  }

  /** Interfaces to give floating addresses to; their making is not part of what is timed. */
  async prepareFloats({ uuid }: NetworkWish, floats: readonly FloatWish[]): Promise<void> {
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

  async float(_wish: NetworkWish, floats: readonly FloatWish[]): Promise<undefined> {
    for (const { address } of floats) await this.#floating.get(address)?.float({ address });
  }

  async defloat(_wish: NetworkWish, floats: readonly FloatWish[]): Promise<undefined> {
    for (const { address } of floats) await this.#floating.get(address)?.defloat();
    await this.host.drained();
  }

  async close(): Promise<void> {
    for (const network of [this.network, ...this.#networks.values()]) await network.delete();
    await this.host.drained();
  }
}
