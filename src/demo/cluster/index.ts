import { MissingProgramError } from '../../errors.js';
import { Capture } from '../capture.js';
import { type Check, formatReport, type Report, summarise, wrap } from '../report.js';
import { checkRequirements } from '../requirements.js';
import { attempt, type Outcome } from '../tools.js';
import { readEchoes } from './echoes.js';
import { ClusterStage, type NodeName, nodeNames, underlay } from './stage.js';

export interface ClusterDemoOptions {
  signal: AbortSignal;
  write: (text: string) => unknown;
}

const guests = [
  { name: 'vm1', node: 'node1', mac: '02:00:00:00:00:01' },
  { name: 'vm2', node: 'node2', mac: '02:00:00:00:00:02' },
  { name: 'vm3', node: 'node3', mac: '02:00:00:00:00:03' },
] as const;
const OVERLAY_MTU = 1550;

interface Nic {
  uuid: string;
  node: string;
  mac: string;
  address: string;
  floating?: string;
}

/**
 * Runs the demo of a cluster: a network node and two hypervisor nodes, each with its agent, and a real etcd.
 * @throws PrivilegeError, MissingProgramError before anything is created; the signal's reason if it was aborted
 */
export async function runClusterDemo({ signal, write }: ClusterDemoOptions): Promise<Report> {
  await checkRequirements();
  for (const [file, debianPackage] of [
    ['etcd', 'etcd-server'],
    ['etcdctl', 'etcd-client'],
  ] as const) {
    if ((await attempt(['sh', '-c', `command -v ${file}`])).code !== 0)
      throw new MissingProgramError(file, debianPackage);
  }
  const checks: Check[] = [];
  const leftovers: string[] = [];
  const stage = await ClusterStage.build(signal);
  const play = new Play(stage, checks, write);
  try {
    await play.all();
  } catch (error) {
    signal.throwIfAborted();
    play.check('the demo ran to its end', false, error instanceof Error ? error.message : String(error));
  } finally {
    leftovers.push(...(await stage.remove(play.network)));
  }
  const report = summarise(checks, leftovers);
  write(`\n${formatReport(report)}\n`);
  return report;
}

class Play {
  network: string | undefined;
  #chapter = '';
  #device = '';
  readonly #addresses = new Map<string, string>();

  constructor(
    private readonly stage: ClusterStage,
    private readonly checks: Check[],
    private readonly write: (text: string) => unknown,
  ) {}

  async all(): Promise<void> {
    await this.#members();
    await this.#create();
    await this.#connect();
    await this.#mesh();
    await this.#float();
    await this.#migrate();
    await this.#loseNode();
    await this.#loseStore();
    await this.#remove();
  }

  check(name: string, passed: boolean, detail = ''): void {
    this.checks.push({ chapter: this.#chapter, name, passed, ...(detail !== '' && { detail }) });
    this.write(`   ${passed ? 'ok    ' : 'FAILED'} ${name}${passed || detail === '' ? '' : `: ${detail}`}\n`);
  }

  #open(title: string, text: string): void {
    this.#chapter = title;
    this.write(`\n== ${title} ==\n\n${wrap(text)}\n\n`);
  }

  /** Runs `vethwork …` and prints the command with its output. */
  async #vethwork(node: NodeName, ...args: string[]): Promise<Outcome> {
    const outcome = await this.stage.vethwork(node, ...args);
    this.write(`${node}$ vethwork ${args.join(' ')}\n${outcome.stdout}${outcome.stderr}`);
    return outcome;
  }

  async #value<Value>(node: NodeName, ...args: string[]): Promise<Value> {
    const { stdout, stderr } = await this.stage.vethwork(node, '--json', ...args);
    if (stdout === '') throw new Error(`vethwork ${args.join(' ')} on ${node}: ${stderr}`);
    return JSON.parse(stdout) as Value;
  }

  async #pings(place: string, address: string, ...more: string[]): Promise<boolean> {
    const { code, stdout } = await this.stage.attempt(
      place,
      'ping',
      '-c',
      '2',
      '-i',
      '0.2',
      '-W',
      '2',
      ...more,
      address,
    );
    return code === 0 && !stdout.includes('DUP');
  }

  #address(guest: string): string {
    return this.#addresses.get(guest) ?? '';
  }

  async #states(): Promise<string> {
    const { host } = await this.#value<{ host: { nodes: { name: string; state: string }[] } }>('node1', 'status');
    return host.nodes.map(({ name, state }) => `${name} ${state}`).join(', ');
  }

  async #members(): Promise<void> {
    this.#open(
      'Three nodes',
      'Each node runs an agent. The agents store their state in etcd. node1 is the network node.',
    );
    await this.#vethwork('node2', 'status');
    const states = await this.#states();
    this.check('all nodes are members', states === 'node1 member, node2 member, node3 member', states);
  }

  async #create(): Promise<void> {
    this.#open('A network', 'Each node can create a network. Only the network node has its namespace, DHCP and NAT.');
    await this.#vethwork('node2', 'network', 'create', 'demo', '172.16.0.0/24');
    const network = await this.#value<{ uuid: string; vni: number; mtu: number }>('node3', 'network', 'show', 'demo');
    this.network = network.uuid;
    this.#device = `vxlan-${network.vni.toString(16).padStart(6, '0')}`;
    this.check('its MTU is the MTU of the mesh NIC minus 50', network.mtu === OVERLAY_MTU, String(network.mtu));
    for (const node of nodeNames) {
      const has = await this.stage.hasLink(node, this.#device);
      this.check(`${node} ${node === 'node1' ? 'has' : 'does not have'} ${this.#device}`, has === (node === 'node1'));
    }
  }

  async #connect(): Promise<void> {
    this.#open('An instance on each node', 'The instances get their addresses by DHCP from node1.');
    for (const { name, node, mac } of guests) {
      const instance = await this.stage.addInstance(name, node, mac);
      await this.#vethwork(node, 'interface', 'attach', 'demo', '--device', 'vnet0', '--mac', mac);
      await this.stage.attempt(name, ...(await instance.dhcpCommand()));
      const { ip, mtu } = await instance.lease();
      if (ip !== undefined) this.#addresses.set(name, ip);
      this.check(`${name} on ${node} has an address by DHCP`, ip !== undefined, `${ip}`);
      this.check(`${name} gets the MTU by DHCP`, mtu === String(OVERLAY_MTU), `${mtu}`);
    }
    for (const { name: from } of guests) {
      for (const { name: to } of guests.filter(({ name }) => name !== from)) {
        this.check(`${from} reaches ${to} without duplicates`, await this.#pings(from, this.#address(to)));
      }
      const whole = ['-M', 'do', '-s', String(OVERLAY_MTU - 28)];
      this.check(
        `${from} reaches the gateway with packets of full size`,
        await this.#pings(from, '172.16.0.1', ...whole),
      );
      this.check(`${from} reaches the outside through NAT`, await this.#pings(from, underlay.outside));
    }
  }

  async #mesh(): Promise<void> {
    this.#open(
      'The mesh',
      'Each node has a forwarding entry for each MAC address of the network. Frames to these addresses are not flooded.',
    );
    const everyone = nodeNames.map((node) => underlay[node]);
    for (const node of nodeNames) {
      const flood = await this.stage.flood(node, this.#device);
      const others = everyone.filter((address) => address !== underlay[node]);
      this.check(
        `${node} floods to the other two nodes and not to itself`,
        flood.join() === others.join(),
        flood.join(),
      );
    }
    // The length excludes ARP requests of neighbour unreachability detection.
    const capture = await Capture.start(
      { netns: this.stage.netns('switch'), device: 'br0' },
      'udp',
      'port',
      '4789',
      'and',
      'greater',
      '120',
    );
    await this.#pings('vm2', this.#address('vm3'));
    const packets = await capture.stop();
    for (const { source, destination, info } of packets) this.write(`    ${source} > ${destination}: ${info}\n`);
    const pair = new Set<string>([underlay.node2, underlay.node3]);
    const isBetween = packets.every(({ source, destination }) => pair.has(source) && pair.has(destination));
    this.check('VXLAN packets from vm2 to vm3 pass only between node2 and node3', packets.length > 0 && isBetween);
  }

  async #float(): Promise<void> {
    this.#open(
      'A floating IP',
      'node3 assigns it, the instance is on node2, and the network node translates the address.',
    );
    const nics = await this.#value<{ uuid: string; node: string }[]>('node3', 'interface', 'list');
    const nic = nics.find(({ node }) => node === 'node2')?.uuid ?? '';
    await this.#vethwork('node3', 'interface', 'float', nic);
    const { floating = '' } = await this.#value<{ floating?: string }>('node1', 'interface', 'show', nic);
    this.check('the outside reaches vm2', await this.#pings('outside', floating), floating);
  }

  async #migrate(): Promise<void> {
    this.#open(
      'A migration',
      'A container moves from node2 to node3, while vm1 and the outside send echo requests. Both copies of the container run all the time, so a request that both answer would be a duplicate.',
    );
    const [source, target] = [await this.stage.addContainer('c2'), await this.stage.addContainer('c3')];
    const attach = ['interface', 'attach', 'demo', '--netns', source, '--configure'];
    const { uuid, address, mac } = await this.#value<Nic>('node2', ...attach);
    const { floating } = await this.#value<{ floating: string }>('node2', 'interface', 'float', uuid);
    await this.#vethwork('node1', 'interface', 'migrate', uuid, '--to', 'node3', '--netns', target, '--prepare');
    const ping = ['ping', '-n', '-D', '-i', '0.005', '-w', '6'];
    const [switched, ...streams] = await Promise.all([
      this.#vethwork('node1', 'interface', 'migrate', uuid, '--switch'),
      this.stage.attempt('vm1', ...ping, address),
      this.stage.attempt('outside', ...ping, floating),
    ]);
    this.check('the interface is switched', switched.code === 0);
    const after = await this.#value<Nic>('node1', 'interface', 'show', uuid);
    const kept =
      after.node === 'node3' && after.address === address && after.mac === mac && after.floating === floating;
    this.check('it is on node3, with its MAC, address and floating IP', kept, JSON.stringify(after));
    for (const [index, { stdout }] of streams.entries()) {
      const { received, duplicates, gap } = readEchoes(stdout);
      const place = index === 0 ? 'vm1' : 'the outside';
      this.write(
        `    ${place}: ${received} answers, ${duplicates} duplicates, longest time without an answer ${gap} ms\n`,
      );
      this.check(`${place} gets answers, none twice`, received > 0 && duplicates === 0);
    }
    this.check('the outside reaches it at its floating IP', await this.#pings('outside', floating));
    await this.#vethwork('node3', 'interface', 'detach', uuid);
  }

  async #loseNode(): Promise<void> {
    this.#open('Failure of an agent', 'The agent of node3 is killed. The networks on node3 keep running.');
    await this.stage.killAgent('node3');
    await this.stage.eventually('node3 has the state gone', async () => (await this.#states()).includes('node3 gone'));
    this.check('node3 has the state gone', true);
    this.check('its instance is reachable', await this.#pings('vm1', this.#address('vm3')));
    this.check('node1 floods to node3', (await this.stage.flood('node1', this.#device)).includes(underlay.node3));
    await this.stage.startAgent('node3');
    await this.stage.eventually('node3 is a member', async () => (await this.#states()).includes('node3 member'));
    this.check(
      'node3 is a member again, and its instance is reachable',
      await this.#pings('vm1', this.#address('vm3')),
    );
  }

  async #loseStore(): Promise<void> {
    this.#open(
      'Failure of the store',
      'etcd is killed. Networks keep running. Changes are refused until etcd runs again.',
    );
    await this.stage.killStore();
    const refused = await this.#vethwork('node2', 'network', 'create', 'other', '172.17.0.0/24');
    this.check(
      'a change is refused, and the error names the cause',
      refused.code === 1 && /can't be reached/.test(refused.stderr),
    );
    this.check('instances reach each other', await this.#pings('vm2', this.#address('vm3')));
    this.check('instances reach the outside', await this.#pings('vm3', underlay.outside));
    await this.stage.eventually('the agent reports that the store is unreachable', async () => {
      const { stderr, stdout } = await this.stage.attempt(
        'node2',
        'busybox',
        'wget',
        '-O',
        '-',
        'http://127.0.0.1:9471/healthz',
      );
      return /503/.test(stderr) || stdout.includes('unreachable');
    });
    this.check('the agent reports that the store is unreachable', true);
    await this.stage.startStore();
    await this.stage.eventually(
      'the agent reports the status ok',
      async () => (await this.stage.health('node2'))?.status === 'ok',
    );
    const made = await this.#vethwork('node2', 'network', 'create', 'other', '172.17.0.0/24');
    this.check('changes succeed again', made.code === 0);
    await this.#vethwork('node3', 'network', 'delete', 'other');
  }

  async #remove(): Promise<void> {
    this.#open('Removal', 'A network that is deleted on one node is removed from all nodes.');
    await this.#vethwork('node3', 'network', 'delete', 'demo');
    for (const node of nodeNames) {
      this.check(`${node} does not have ${this.#device}`, !(await this.stage.hasLink(node, this.#device)));
    }
    const { stdout } = await attempt(['ip', 'netns', 'list']);
    this.check('its namespace is deleted', !stdout.includes(this.network ?? ' '));
  }
}
