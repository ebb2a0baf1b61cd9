import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openNode } from '../../src/api/open-host.js';
import { repairText } from '../../src/format/repair.js';
import type { ClusterHostOptions, Host } from '../../src/index.js';
import { askForLease, type DhcpAnswer } from './dhcp.js';
import { TestEtcd } from './etcd.js';
import { json, TestNamespace } from './namespaces.js';

/** A forwarding entry, as `bridge -j fdb` prints it. */
export interface FdbEntry {
  mac: string;
  ifname: string;
  dst?: string;
  master?: string;
  state?: string;
  flags: string[];
}

export interface ClusterSetting {
  nodes: number;
  mtu?: number;
  options?: Partial<ClusterHostOptions>;
  /** Use an underlay with only IPv6. */
  ipv6?: boolean;
}

/** A namespace that represents an instance; its eth0 is attached on a node. */
export interface ClusterGuest {
  namespace: TestNamespace;
  address: string;
  mac: string;
  uuid: string;
  node: string;
}

/**
 * A cluster of namespaces: nodes on an underlay bridge, the outside behind the first node, which is the network node, and
 * an etcd.
 */
export class TestCluster implements AsyncDisposable {
  readonly #handles: Host[] = [];
  readonly #guests: TestNamespace[] = [];
  /** Recent log messages of the nodes. */
  readonly log: string[] = [];

  private constructor(
    readonly etcd: TestEtcd,
    readonly fabric: TestNamespace,
    readonly world: TestNamespace,
    readonly nodes: readonly TestNamespace[],
    readonly setting: ClusterSetting,
    readonly folder: string,
  ) {}

  static async create(setting: ClusterSetting): Promise<TestCluster> {
    const etcd = await TestEtcd.start();
    const folder = await mkdtemp(join(tmpdir(), 'vethwork-cluster-'));
    const fabric = await TestNamespace.create('fabric');
    await fabric.ip('link', 'add', 'br0', 'type', 'bridge');
    await fabric.ip('link', 'set', 'br0', 'mtu', String(setting.mtu ?? 1600), 'up');
    const world = await TestNamespace.create('world');
    const nodes = await Promise.all(
      Array.from({ length: setting.nodes }, (_, index) => TestNamespace.create(`node${index + 1}`)),
    );
    const cluster = new TestCluster(etcd, fabric, world, nodes, setting, folder);
    await cluster.#plug(world, 'w0', '10.0.0.1/24', 'fd00::1/64');
    for (const [index, node] of nodes.entries()) {
      await cluster.#plug(node, `n${index + 1}`, `10.0.0.${index + 11}/24`, `fd00::${index + 11}/64`);
      await node.ip('route', 'add', 'default', 'via', '10.0.0.1');
    }
    await world.ip('route', 'add', '192.168.15.0/24', 'via', '10.0.0.11');
    return cluster;
  }

  async #plug(namespace: TestNamespace, port: string, address: string, address6: string): Promise<void> {
    const mtu = String(this.setting.mtu ?? 1600);
    const peer = ['peer', 'name', 'eth0', 'mtu', mtu, 'netns', namespace.name];
    await this.fabric.ip('link', 'add', port, 'mtu', mtu, 'type', 'veth', ...peer);
    await this.fabric.ip('link', 'set', port, 'master', 'br0', 'up');
    await namespace.ip('address', 'add', address, 'dev', 'eth0');
    await namespace.ip('address', 'add', address6, 'dev', 'eth0', 'nodad');
    await namespace.ip('link', 'set', 'eth0', 'up');
  }

  /** @param number of the node, from 1 */
  node(number: number): TestNamespace {
    return this.nodes[number - 1] as TestNamespace;
  }

  vtep(number: number): string {
    return this.setting.ipv6 ? `fd00::${number + 10}` : `10.0.0.${number + 10}`;
  }

  options(number: number): ClusterHostOptions {
    return {
      store: { etcd: [this.etcd.url], timeout: 3000 },
      node: `node${number}`,
      stateDir: join(this.folder, `node${number}`),
      netns: this.node(number).name,
      meshNic: 'eth0',
      deletionHalo: 0,
      dnsServers: [],
      leaseTime: 5000,
      nodeTimeout: 60000,
      ...(number === 1 && ({ role: 'network', egressNic: 'eth0', floatingNetwork: '192.168.15.0/24' } as const)),
      ...(this.setting.ipv6 && { meshAddress: this.vtep(number) }),
      ...this.setting.options,
    };
  }

  async open(number: number, options: Partial<ClusterHostOptions> = {}): Promise<Host> {
    const report = (text: string) => {
      this.log.push(`${new Date().toISOString()} node${number}: ${text}`);
      if (this.log.length > 200) this.log.shift();
    };
    const { host } = await openNode(
      { ...this.options(number), ...options },
      {
        leadership: (isLeader) => report(isLeader ? 'is leader' : 'has lost leadership'),
        reconciled: (network, took, problems) =>
          report(`reconciled ${network} in ${took} ms ${JSON.stringify(problems)}`),
        failed: (what, error) => report(`${what} failed: ${error}`),
        repaired: (repairs) => report(`repaired ${repairs.map(repairText).join('; ')}`),
      },
    );
    this.#handles.push(host);
    return host;
  }

  /** Opens every node, the network node first. */
  async openAll(): Promise<Host[]> {
    const first = await this.open(1);
    const others = this.nodes.slice(1).map((_, index) => this.open(index + 2));
    return [first, ...(await Promise.all(others))];
  }

  /** Attaches a container on the node of a handle; `attach` configures it. */
  async guest(host: Host, network: string, options: { address?: string; mac?: string } = {}): Promise<ClusterGuest> {
    const namespace = await TestNamespace.create('guest');
    this.#guests.push(namespace);
    const net = await host.getNetwork(network);
    const nic = await net.attach({ netns: namespace.name, configure: true, ...options });
    const { address, mac, uuid, node = '' } = nic.info;
    return { namespace, address, mac, uuid, node };
  }

  /** Attaches a container that gets its configuration by DHCP. */
  async client(host: Host, network: string): Promise<ClusterGuest & { lease: DhcpAnswer | undefined }> {
    const namespace = await TestNamespace.create('guest');
    this.#guests.push(namespace);
    const nic = await (await host.getNetwork(network)).attach({ netns: namespace.name });
    await namespace.ip('link', 'set', 'eth0', 'up');
    const lease = await askForLease(namespace, 'eth0');
    const { address, mac, uuid, node = '' } = nic.info;
    return { namespace, address, mac, uuid, node, lease };
  }

  async remove(guest: ClusterGuest): Promise<void> {
    await guest.namespace.remove();
  }

  /** Output of `bridge fdb` for the VXLAN link of a network on a node; undefined without that link. */
  async fdb(number: number, vni: number): Promise<FdbEntry[] | undefined> {
    const node = this.node(number);
    const device = `vxlan-${vni.toString(16).padStart(6, '0')}`;
    const links = await json<{ ifname: string }[]>('ip', '-n', node.name, '-j', 'link');
    if (!links.some(({ ifname }) => ifname === device)) return undefined;
    const entries = await json<FdbEntry[]>('bridge', '-n', node.name, '-j', 'fdb', 'show', 'dev', device);
    return entries;
  }

  /** VTEPs to which a node floods frames of a network, sorted. */
  async flood(number: number, vni: number): Promise<string[] | undefined> {
    const entries = await this.fdb(number, vni);
    return entries
      ?.filter(({ mac }) => mac === '00:00:00:00:00:00')
      .map(({ dst }) => dst ?? '')
      .sort();
  }

  /** Deletes all networks while the agents that remove them still run. */
  async deleteNetworks(): Promise<void> {
    const [host] = this.#handles;
    const networks = (await host?.listNetworks().catch(() => [])) ?? [];
    for (const { uuid } of networks) {
      await host
        ?.getNetwork(uuid)
        .then((network) => network.delete())
        .catch(() => undefined);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.deleteNetworks();
    const living = this.#handles.splice(0);
    for (const host of living) await host.drained().catch(() => undefined);
    for (const host of living.reverse()) {
      await host.teardown().catch(() => undefined);
      await host.close().catch(() => undefined);
    }
    await this.etcd[Symbol.asyncDispose]();
    for (const namespace of [...this.#guests, ...this.nodes, this.world, this.fabric]) await namespace.remove();
    await rm(this.folder, { recursive: true, force: true });
  }
}
