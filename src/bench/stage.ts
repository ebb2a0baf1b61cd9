import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Host } from '../api/types.js';
import { run } from '../demo/tools.js';
import { openHost } from '../index.js';
import { type Kernel, openKernel } from '../kernel/index.js';
import type { Lan } from './lan.js';

/** Parameters of one interface: the namespace represents a container. */
export interface Slot {
  number: number;
  /** Name under /run/netns. */
  netns: string;
  /** Name of the veth end on the host, or of the tap. */
  device: string;
  /** Address in the LAN. Contenders with their own IPAM choose other addresses. */
  address: string;
}

/** The bridge to which the kernel-level contenders attach. Its own address is the containers' gateway. */
export const LAN: Lan = { bridge: 'br0', gateway: '172.20.0.1', prefix: 16 };
export const LAN_CIDR = '172.20.0.0/16';

/** The NIC of the simulated host. */
export const uplink = { nic: 'eth0', address: '10.0.0.74', outside: '10.0.0.1' } as const;
/** The bridge that connects all networks to the NIC. */
export const EGRESS_BRIDGE = 'egr-br-eth0';
export const FLOATING_NETWORK = '10.200.0.0/16';
export const FLOATING_GATEWAY = '10.200.0.1';

const PER_BYTE = 250;

/**
 * The environment of all measurements. The network namespace of this process represents the host, so that each tool works
 * as on a real machine. The creation of the environment is not measured.
 */
export class Stage {
  readonly #slots: Slot[] = [];

  private constructor(
    /** A folder on a disk, so that the measurements include durable writes. */
    readonly folder: string,
    readonly kernel: Kernel,
    /** The opened host. All contenders use its egress bridge. */
    readonly host: Host,
  ) {}

  static async build(folder: string): Promise<Stage> {
    await mkdir(folder, { recursive: true });
    await run(['ip', 'netns', 'add', 'outside']);
    const { nic, address, outside } = uplink;
    const lines = [
      'link set lo up',
      `link add ${nic} mtu 8950 type veth peer name ${nic} mtu 8950 netns outside`,
      `address add ${address}/24 dev ${nic}`,
      `link set ${nic} up`,
      `link add ${LAN.bridge} type bridge forward_delay 0`,
      `address add ${LAN.gateway}/${LAN.prefix} dev ${LAN.bridge}`,
      `link set ${LAN.bridge} up`,
      // A permanent port: some tools delete a bridge together with its last port.
      `link add keep0 master ${LAN.bridge} up type veth peer name keep0 netns outside`,
    ];
    for (const line of lines) await run(['ip', ...line.split(' ')]);
    for (const line of [`link set ${nic} up`, `address add ${outside}/24 dev ${nic}`, 'link set keep0 up']) {
      await run(['ip', '-n', 'outside', ...line.split(' ')]);
    }
    await run(['ip', 'route', 'add', 'default', 'via', outside]);
    await run(['ip', '-n', 'outside', 'route', 'add', FLOATING_NETWORK, 'via', address]);
    const host = await openHost({
      stateDir: join(folder, 'state'),
      egressNic: nic,
      floatingNetwork: FLOATING_NETWORK,
      deletionHalo: 0,
      dnsServers: [],
    });
    return new Stage(folder, openKernel(), host);
  }

  /** The first `count` slots. Missing namespaces are created. */
  async slots(count: number): Promise<Slot[]> {
    const missing = Array.from({ length: Math.max(0, count - this.#slots.length) }, (_, offset) => {
      const number = this.#slots.length + offset;
      return {
        number,
        netns: `c${number}`,
        device: `port${number}`,
        address: `172.20.${1 + Math.floor(number / PER_BYTE)}.${1 + (number % PER_BYTE)}`,
      };
    });
    await this.kernel.transaction(missing.map(({ netns }) => ({ op: 'namespace.add', name: netns })));
    this.#slots.push(...missing);
    return this.#slots.slice(0, count);
  }

  /** Removes the links that a failed contender has left in the slots. */
  async clear(): Promise<void> {
    const namespaces = [...this.#slots.map(({ netns }) => netns), undefined];
    for (const netns of namespaces) {
      const links = await this.kernel.query('link.list', { netns });
      const left = links.filter(({ name }) => (netns === undefined ? /^port\d+i?$/.test(name) : name !== 'lo'));
      await this.kernel.teardown(left.map(({ index }) => ({ op: 'link.delete', netns, link: { index } })));
    }
  }

  /** Creates a folder for a contender. */
  async contenderFolder(name: string): Promise<string> {
    const folder = join(this.folder, name);
    await mkdir(folder, { recursive: true });
    return folder;
  }

  async close(): Promise<void> {
    await this.host.close();
    await this.kernel.close();
  }
}
