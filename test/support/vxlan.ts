import { once } from 'node:events';
import { eventually, type TestNamespace } from './namespaces.js';
import { PYTHON, SCAPY } from './scapy.js';

/** Python code with scapy that sends VXLAN packets. The inner datagram of each has its own text. */
const SCRIPT = `
import json, random, sys
${SCAPY}from scapy.layers.vxlan import VXLAN
conf.verb = 0
task = json.loads(sys.argv[1])

def inner(word):
    return (Ether(src=task['forged'], dst=task['mac']) / IP(src=task['from'], dst=task['to'])
            / UDP(sport=7, dport=task['port']) / (word + '\\n').encode())

def outer(src, dst, options):
    return IPv6(src=src, dst=dst) if ':' in dst else IP(src=src, dst=dst, options=options)

def target(dst):
    if dst.endswith('.255'): return 'ff:ff:ff:ff:ff:ff'
    if dst.startswith('224.'): return '01:00:5e:00:00:01'
    if dst.startswith('ff02:'): return '33:33:00:00:00:01'
    return task['via']

def fragments(packet, size):
    if IPv6 not in packet: return fragment(packet, fragsize=size)
    payload, whole = bytes(packet[IPv6].payload), packet[IPv6].copy()
    whole.remove_payload()
    whole.nh, whole.plen = 44, None
    # Of none that was sent before: what is left of one that was refused is kept for a minute.
    number = random.getrandbits(32)
    parts = [payload[at:at + size] for at in range(0, len(payload), size)]
    return [whole / IPv6ExtHdrFragment(nh=17, id=number, offset=at * size // 8, m=int(at + 1 < len(parts))) / part
            for at, part in enumerate(parts)]

sockets = {iface: conf.L2socket(iface=iface) for iface in {each['iface'] for each in task['packets']}}
for each in task['packets']:
    options = [IPOption_NOP()] * 4 if each.get('options') else []
    head = outer(each['src'], each['dst'], options)
    if each.get('extension') and IPv6 in head: head = head / IPv6ExtHdrDestOpt()
    datagram = UDP(sport=4242, dport=task['vxlan'])
    if each.get('noChecksum'): datagram.chksum = 0
    vxlan = VXLAN(vni=task['vni'], flags=each.get('flags', 8))
    packet = head / datagram / vxlan / inner(each['word'])
    # Checksums as they are on the wire.
    packet = packet.__class__(bytes(packet))
    for part in fragments(packet, each['fragments']) if 'fragments' in each else [packet]:
        sockets[each['iface']].send(Ether(dst=target(each['dst'])) / part)
`;

/** A forged VXLAN packet. */
export interface Forgery {
  /** Text of the inner datagram. */
  word: string;
  src: string;
  dst: string;
  /** Destination address of the packet. */
  iface: string;
  /** Flags of the VXLAN header. Default 8 (valid VNI). */
  flags?: number;
  /** Add IPv4 options. */
  options?: boolean;
  /** IPv6 extension header before the UDP header. */
  extension?: boolean;
  /** Size of each fragment in bytes. */
  fragments?: number;
  /** Send with a UDP checksum of zero. */
  noChecksum?: boolean;
}

const PORT = 9999;

/** A UDP socket of an instance, which receives the inner datagrams of forged packets. */
export class Target implements AsyncDisposable {
  readonly #listener;
  #heard = '';

  constructor(
    readonly instance: { namespace: TestNamespace; address: string; mac: string },
    readonly vni: number,
  ) {
    this.#listener = instance.namespace.spawn('socat', ['-u', `UDP4-RECV:${PORT}`, '-'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    this.#listener.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#heard += text;
    });
  }

  /** Resolves when the socket is bound. */
  async ready(): Promise<this> {
    const { namespace } = this.instance;
    await eventually(async () => (await namespace.run('ss', '-Hlun', `sport = :${PORT}`)).trim() !== '');
    return this;
  }

  /** @param via destination MAC address of the frames */
  async forge(sender: TestNamespace, via: string, packets: readonly Forgery[]): Promise<void> {
    const { address, mac } = this.instance;
    const from = address.replace(/\d+$/, '77');
    const task = { mac, to: address, from, forged: '02:de:ad:be:ef:77', port: PORT, vxlan: 4789, vni: this.vni };
    await sender.run(PYTHON, '-c', SCRIPT, JSON.stringify({ ...task, via, packets }));
  }

  /**
   * Datagrams since the last call. A datagram from the network's gateway marks the end, because it arrives after the others.
   * @param gateway namespace of the network
   */
  async heard(gateway: TestNamespace): Promise<string[]> {
    const end = `end${Math.random()}`;
    await gateway.run('sh', '-c', `echo ${end} | socat -u - UDP4-SENDTO:${this.instance.address}:${PORT}`);
    await eventually(() => this.#heard.includes(end));
    const words = this.#heard.split('\n').filter((word) => word !== '' && word !== end);
    this.#heard = '';
    return words;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#listener, 'close');
    this.#listener.kill();
    await ended;
  }
}

interface NftRule {
  rule?: { chain: string; comment: string; expr: { counter?: { packets: number } }[] };
}

/** Number of VXLAN packets that a host has dropped. */
export async function refused(host: TestNamespace): Promise<number> {
  const text = await host.run('nft', '-j', 'list', 'chain', 'inet', 'vethwork_mesh', 'vxlan');
  const { nftables } = JSON.parse(text) as { nftables: NftRule[] };
  const counters = nftables.flatMap(({ rule }) => rule?.expr.flatMap(({ counter }) => counter?.packets ?? []) ?? []);
  return counters.reduce((sum, each) => sum + each, 0);
}

export const macOf = async (namespace: TestNamespace, link: string): Promise<string> =>
  (await namespace.run('cat', `/sys/class/net/${link}/address`)).trim();
