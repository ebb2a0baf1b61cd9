import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Host } from '../api/types.js';
import { run } from '../demo/tools.js';
import { openHost } from '../index.js';
import { type Kernel, openKernel } from '../kernel/index.js';
import type { Lan } from './lan.js';

/** Place for one interface: a namespace that stands for a container, and what its interface is to be. */
export interface Slot {
  number: number;
  /** Name under /run/netns. */
  netns: string;
  /** Of the host's end of the pair, or of the tap. */
  device: string;
  /** In the stage's LAN; contenders with an address management of their own choose others. */
  address: string;
}

/** The bridge to which the kernel-level contenders attach. Its own address is the containers' gateway. */
export const LAN: Lan = { bridge: 'br0', gateway: '172.20.0.1', prefix: 16 };
export const LAN_CIDR = '172.20.0.0/16';

/** The machine's NIC, and the bridge that all networks go out by. */
export const uplink = { nic: 'eth0', address: '10.0.0.74', outside: '10.0.0.1' } as const;
export const EGRESS_BRIDGE = 'egr-br-eth0';
export const FLOATING_NETWORK = '10.200.0.0/16';
export const FLOATING_GATEWAY = '10.200.0.1';

const PER_BYTE = 250;

/**
 * What everything is measured on. The network namespace of this process stands for the host, so that every tool works in
 * it as it would on a machine of its own. Nobody's work on the scenery is measured.
 */
export class Stage {
  readonly #slots: Slot[] = [];

  private constructor(
    /** On a disk: what is durable costs what it costs. */
    readonly folder: string,
    readonly kernel: Kernel,
    /** Its egress bridge is everybody's. */
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
      // A port that stays: some tools remove a bridge with its last port.
      `link add keep0 master ${LAN.bridge} up type veth peer name keep0 netns outside`,
    ];
    for (const line of lines) await run(['ip', ...line.split(' ')]);
    for (const line of [`link set ${nic} up`, `address add ${outside}/24 dev ${nic}`, 'link set keep0 up']) {
      await run(['ip', '-n', 'outside', ...line.split(' ')]);
    }
    await run(['ip', 'route', 'add', 'default', 'via', outside]);
    const host = await openHost({
      stateDir: join(folder, 'state'),
      egressNic: nic,
      floatingNetwork: FLOATING_NETWORK,
      deletionHalo: 0,
      dnsServers: [],
    });
    return new Stage(folder, openKernel(), host);
  }

  /** The first slots; their namespaces are made as they are needed. */
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

  /** Removes what a contender that failed has left in the slots, so that the others find them empty. */
  async clear(): Promise<void> {
    const places = [...this.#slots.map(({ netns }) => netns), undefined];
    for (const netns of places) {
      const links = await this.kernel.query('link.list', { netns });
      const left = links.filter(({ name }) => (netns === undefined ? /^port\d+i?$/.test(name) : name !== 'lo'));
      await this.kernel.teardown(left.map(({ index }) => ({ op: 'link.delete', netns, link: { index } })));
    }
  }

  /** A folder of a contender's own. */
  async room(name: string): Promise<string> {
    const folder = join(this.folder, name);
    await mkdir(folder, { recursive: true });
    return folder;
  }

  async close(): Promise<void> {
    await this.host.close();
    await this.kernel.close();
  }
}
