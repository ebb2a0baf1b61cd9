import { randomBytes } from 'node:crypto';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Instance } from '../instance.js';
import { attempt, type Background, inside, json, type Outcome, run, start } from '../tools.js';

const MTU = 1600;
const FLOATING_NETWORK = '192.168.15.0/24';
const program = fileURLToPath(new URL('../../cli/main.js', import.meta.url));
/** Time limit of `eventually`, in milliseconds. */
const TIMEOUT = 60_000;

/** Addresses of the machines in the underlay network. */
export const underlay = {
  outside: '10.0.0.1',
  store: '10.0.0.2',
  node1: '10.0.0.11',
  node2: '10.0.0.12',
  node3: '10.0.0.13',
} as const;

export type Machine = keyof typeof underlay;
export type NodeName = 'node1' | 'node2' | 'node3';
export const nodeNames: readonly NodeName[] = ['node1', 'node2', 'node3'];

/**
 * The environment of the cluster demo: namespaces for a switch, an etcd, a network node, two hypervisor nodes and the
 * outside. etcd and the agents run in their namespaces. Names are unique to the run. Nothing outside of the namespaces is
 * changed.
 */
export class ClusterStage {
  readonly instances: Instance[] = [];
  readonly #id = randomBytes(4).toString('hex');
  readonly #containers: string[] = [];
  readonly #agents = new Map<NodeName, Background>();
  #etcd: Background | undefined;

  private constructor(
    readonly folder: string,
    readonly signal: AbortSignal,
  ) {}

  static async build(signal: AbortSignal): Promise<ClusterStage> {
    const folder = join(tmpdir(), `vethwork-cluster-demo-${randomBytes(4).toString('hex')}`);
    await mkdir(folder);
    await chmod(folder, 0o755);
    const stage = new ClusterStage(folder, signal);
    try {
      await stage.#wire();
      await stage.startStore();
      for (const node of nodeNames) await stage.startAgent(node);
    } catch (error) {
      await stage.remove();
      throw error;
    }
    return stage;
  }

  /** The namespace that represents a machine or an instance. */
  netns(name: string): string {
    return `vethwork-demo-${this.#id}-${name}`;
  }

  async #wire(): Promise<void> {
    const fabric = this.netns('switch');
    await this.#namespace(fabric);
    await run(['ip', '-n', fabric, 'link', 'add', 'br0', 'mtu', String(MTU), 'type', 'bridge'], this.signal);
    await run(['ip', '-n', fabric, 'link', 'set', 'br0', 'up'], this.signal);
    for (const [name, address] of Object.entries(underlay)) {
      const netns = this.netns(name);
      const ip = (...args: string[]) => run(['ip', '-n', netns, ...args], this.signal);
      await this.#namespace(netns);
      const peer = ['peer', 'name', 'eth0', 'mtu', String(MTU), 'netns', netns];
      await run(['ip', '-n', fabric, 'link', 'add', name, 'mtu', String(MTU), 'type', 'veth', ...peer], this.signal);
      await run(['ip', '-n', fabric, 'link', 'set', name, 'master', 'br0', 'up'], this.signal);
      await ip('address', 'add', `${address}/24`, 'dev', 'eth0');
      await ip('link', 'set', 'eth0', 'up');
      if (name === 'outside') await ip('route', 'add', FLOATING_NETWORK, 'via', underlay.node1);
      else await ip('route', 'add', 'default', 'via', underlay.outside);
    }
  }

  async #namespace(netns: string): Promise<void> {
    await run(['ip', 'netns', 'add', netns], this.signal);
    await run(['ip', '-n', netns, 'link', 'set', 'lo', 'up'], this.signal);
  }

  async startStore(): Promise<void> {
    const url = `http://${underlay.store}:2379`;
    const peer = `http://${underlay.store}:2380`;
    this.#etcd = start(
      inside(
        ...[this.netns('store'), 'etcd', `--data-dir=${this.folder}/etcd`, `--initial-cluster=default=${peer}`],
        ...[`--listen-client-urls=${url}`, `--advertise-client-urls=${url}`],
        ...[`--listen-peer-urls=${peer}`, `--initial-advertise-peer-urls=${peer}`],
      ),
    );
    const health = ['env', 'ETCDCTL_API=3', 'etcdctl', `--endpoints=${url}`, 'endpoint', 'health'];
    await this.eventually('etcd runs', async () => (await this.attempt('store', ...health)).code === 0);
  }

  async killStore(): Promise<void> {
    await this.#etcd?.kill();
  }

  /** The configuration of a node's agent, as in /etc/vethwork/agent.json. */
  config(node: NodeName): object {
    return {
      store: { etcd: [`http://${underlay.store}:2379`], timeout: 3000 },
      node,
      ...(node === 'node1' && { role: 'network', egressNic: 'eth0', floatingNetwork: FLOATING_NETWORK }),
      meshNic: 'eth0',
      dnsServers: [],
      deletionHalo: 0,
      leaseTime: 3000,
      stateDir: join(this.folder, node),
      listen: '127.0.0.1:9471',
    };
  }

  async startAgent(node: NodeName): Promise<void> {
    const file = this.configFile(node);
    await writeFile(file, JSON.stringify(this.config(node), null, 2));
    this.#agents.set(node, start([...this.#enter(node), process.execPath, program, 'agent', '--config', file]));
    await this.eventually(`the agent of ${node} is active`, async () => (await this.health(node))?.active === true);
  }

  /** Kills the agent with SIGKILL. */
  async killAgent(node: NodeName): Promise<void> {
    await this.#agents.get(node)?.kill();
    this.#agents.delete(node);
  }

  /** Response of the agent's /healthz; undefined if there is none. */
  async health(node: NodeName): Promise<{ status: string; active: boolean } | undefined> {
    const { stdout } = await this.attempt(node, 'busybox', 'wget', '-q', '-O', '-', 'http://127.0.0.1:9471/healthz');
    return stdout === '' ? undefined : (JSON.parse(stdout) as { status: string; active: boolean });
  }

  configFile(node: NodeName): string {
    return join(this.folder, `${node}.json`);
  }

  /** Not `ip netns exec`: it creates a mount namespace, so that the namespaces that vethwork mounts there would be invisible. */
  #enter(node: NodeName): string[] {
    return ['nsenter', `--net=/run/netns/${this.netns(node)}`];
  }

  /** Runs `vethwork …` on a node. */
  vethwork(node: NodeName, ...args: string[]): Promise<Outcome> {
    return attempt(this.#command(node, ...args), this.signal);
  }

  #command(node: NodeName, ...args: string[]): string[] {
    return [...this.#enter(node), process.execPath, program, '--cluster', this.configFile(node), ...args];
  }

  /** Runs a program on a machine or in an instance. Resolves for every exit code. */
  attempt(place: string, ...command: string[]): Promise<Outcome> {
    return attempt(inside(this.netns(place), ...command), this.signal);
  }

  async hasLink(node: NodeName, device: string): Promise<boolean> {
    const links = await json<{ ifname: string }[]>(['ip', '-n', this.netns(node), '-j', 'link'], this.signal);
    return links.some(({ ifname }) => ifname === device);
  }

  /** VTEPs to which a node floods frames of a VXLAN link (`bridge fdb`, zero MAC address). */
  async flood(node: NodeName, device: string): Promise<string[]> {
    if (!(await this.hasLink(node, device))) return [];
    const command = ['bridge', '-n', this.netns(node), '-j', 'fdb', 'show', 'dev', device];
    const entries = await json<{ mac: string; dst?: string }[]>(command, this.signal);
    return entries
      .filter(({ mac }) => mac === '00:00:00:00:00:00')
      .map(({ dst }) => dst ?? '')
      .sort();
  }

  async addInstance(name: string, node: NodeName, mac: string): Promise<Instance> {
    const options = {
      name,
      netns: this.netns(name),
      mac,
      device: 'vnet0',
      host: this.netns(node),
      folder: this.folder,
    };
    const instance = await Instance.create(options, this.signal);
    this.instances.push(instance);
    return instance;
  }

  /** Creates the namespace of a container. Resolves to its name. */
  async addContainer(name: string): Promise<string> {
    const netns = this.netns(name);
    this.#containers.push(netns);
    await this.#namespace(netns);
    return netns;
  }

  /** Polls until `probe` is true. @throws Error that names the condition after the time limit */
  async eventually(what: string, probe: () => Promise<boolean>): Promise<void> {
    const end = performance.now() + TIMEOUT;
    while (!(await probe())) {
      if (performance.now() > end) throw new Error(`not true after ${TIMEOUT / 1000} s: ${what}`);
      await delay(200, undefined, { signal: this.signal });
    }
  }

  /** Removes everything. Resolves to descriptions of what could not be removed. */
  async remove(network?: string): Promise<string[]> {
    for (const agent of this.#agents.values()) await agent.stop();
    // The network node is last, because the other nodes' networks depend on it.
    for (const node of [...this.#agents.keys()].reverse()) {
      // Without the signal, so that it also runs after an interrupt.
      await attempt(this.#command(node, 'teardown'));
    }
    await this.#etcd?.stop();
    for (const instance of this.instances.splice(0)) await instance.remove();
    const names = [...['switch', ...Object.keys(underlay)].map((name) => this.netns(name)), ...this.#containers];
    for (const netns of [...names, ...(network === undefined ? [] : [network])]) {
      const { stdout } = await attempt(['ip', 'netns', 'pids', netns]);
      for (const pid of stdout.split('\n').filter(Boolean)) {
        try {
          process.kill(Number(pid), 'SIGKILL');
        } catch {
          // The process has ended.
        }
      }
      await attempt(['ip', 'netns', 'delete', netns]);
    }
    await rm(this.folder, { recursive: true, force: true });
    const { stdout } = await attempt(['ip', 'netns', 'list']);
    return stdout
      .split('\n')
      .filter((line) => names.some((name) => line.startsWith(name)) || (network && line.startsWith(network)))
      .map((line) => `namespace ${line.split(' ')[0]}`);
  }
}
