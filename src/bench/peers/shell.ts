import { run } from '../../demo/tools.js';
import type { Contender, FloatSpec, NetworkSpec, Peer } from '../contender.js';
import { Shell, withInput } from '../coprocess.js';
import { EGRESS_BRIDGE, FLOATING_GATEWAY, LAN, type Slot, type Stage, uplink } from '../stage.js';
import { dnsmasqConfig, stopDnsmasq } from './dnsmasq.js';
import { floatNames, linkNames } from './names.js';
import { missingPrograms } from './requirements.js';

const CONCURRENCY = 4;
/** With more than one queue, the kernel would reduce their number and wait for two RCU grace periods per pair. */
const QUEUES = 'numtxqueues 1 numrxqueues 1';
/** A device group that only this contender uses. */
const GROUP = 4242;

/** The fastest shell implementation: one batch process per namespace. */
export const shell: Peer = {
  name: 'shell',
  title: 'best shell (ip -batch, nft -f)',
  description: 'one ip -batch for the host and one per namespace; several links are deleted by group in one message',
  inProcess: false,
  longRunning: false,
  maxInterfaces: 1000,
  missing: () => missingPrograms({ ip: 'iproute2', nft: 'nftables', nsenter: 'util-linux', dnsmasq: 'dnsmasq-base' }),
  version: async () => `${(await run(['ip', '-V'])).trim()}; ${(await run(['nft', '-v'])).trim()}`,
  open: async (stage) => new BestShell(stage),
};

const batch = (lines: readonly string[]) => withInput('ip -batch -', lines);

/** Disables the IPv6 link-local address. This must be set before the link is up. */
const bringUp = (device: string) => [`link set ${device} addrgenmode none`, `link set ${device} up`];

const inside = (netns: string, lines: readonly string[]) => withInput(`ip -n ${netns} -batch -`, lines);

class BestShell implements Contender {
  readonly lan = LAN;
  readonly #shell = new Shell();

  constructor(private readonly stage: Stage) {}

  cpu(): number {
    return this.#shell.cpu();
  }

  async attach(slots: readonly Slot[]) {
    const pairs = slots.flatMap(({ device, netns }) => [
      `link add ${device} ${QUEUES} master ${LAN.bridge} type veth peer name eth0 ${QUEUES} netns ${netns}`,
      ...bringUp(device),
    ]);
    const insides = slots.map(({ netns, address }) => [
      inside(netns, [
        'link set lo up',
        ...bringUp('eth0'),
        `address add ${address}/${LAN.prefix} dev eth0`,
        `route add default via ${LAN.gateway}`,
      ]),
    ]);
    if (slots.length === 1) return this.#shell.run([batch(pairs), ...insides.flat()]);
    await this.#shell.run([batch(pairs)]);
    await this.#shell.runConcurrently(insides, CONCURRENCY);
    return undefined;
  }

  attachTaps(slots: readonly Slot[]) {
    return this.#shell.run([
      batch(
        slots.flatMap(({ device }) => [
          `tuntap add dev ${device} mode tap`,
          `link set ${device} master ${LAN.bridge}`,
          ...bringUp(device),
        ]),
      ),
    ]);
  }

  detach(slots: readonly Slot[]) {
    if (slots.length === 1) return this.#shell.run([`ip link del ${slots[0]?.device}`]);
    const lines = slots.map(({ device }) => `link set ${device} group ${GROUP}`);
    return this.#shell.run([batch([...lines, `link del group ${GROUP}`])]);
  }

  async createNetwork(spec: NetworkSpec) {
    const { uuid, vni, netblock, gatewayCidr, egressCidr } = spec;
    const { vxlan, bridge, vethOuter, vethInner, egressOuter, egressInner } = linkNames(spec);
    const outer = [
      `netns add ${uuid}`,
      `link add ${bridge} up type bridge forward_delay 0 stp_state 0`,
      `link add ${vxlan} up master ${bridge} type vxlan id ${vni} dev ${uplink.nic} dstport 4789`,
      `link add ${vethOuter} ${QUEUES} up master ${bridge} type veth peer name ${vethInner} ${QUEUES} netns ${uuid}`,
      `link add ${egressOuter} ${QUEUES} up master ${EGRESS_BRIDGE} type veth peer name ${egressInner} ${QUEUES} netns ${uuid}`,
    ];
    const router = [
      'link set lo up',
      `link set ${vethInner} up`,
      `address add ${gatewayCidr} dev ${vethInner}`,
      `link set ${egressInner} up`,
      `address add ${egressCidr} dev ${egressInner}`,
      `route add default via ${FLOATING_GATEWAY}`,
    ];
    const rules = [
      'table ip nat {',
      '  map floating { type ipv4_addr : ipv4_addr; }',
      '  chain prerouting { type nat hook prerouting priority -100; dnat to ip daddr map @floating; }',
      `  chain postrouting { type nat hook postrouting priority 100; ip saddr ${netblock} oifname "${egressInner}" masquerade; }`,
      '}',
    ];
    const config = spec.dhcp ? await dnsmasqConfig(await this.stage.contenderFolder('shell'), spec) : undefined;
    return this.#shell.run([
      batch(outer),
      [
        `nsenter --net=/run/netns/${uuid} sh -e <<'INSIDE'`,
        'echo 1 >/proc/sys/net/ipv4/ip_forward',
        batch(router),
        withInput('nft -f -', rules),
        ...(config === undefined ? [] : [`dnsmasq --conf-file=${config}`]),
        'INSIDE',
      ].join('\n'),
    ]);
  }

  deleteNetwork(spec: NetworkSpec) {
    return this.deleteNetworks([spec]);
  }

  async deleteNetworks(specs: readonly NetworkSpec[]) {
    const folder = await this.stage.contenderFolder('shell');
    const configs = await Promise.all(specs.filter(({ dhcp }) => dhcp).map((spec) => dnsmasqConfig(folder, spec)));
    const links = specs.flatMap((spec) => {
      const { vxlan, bridge, vethOuter, egressOuter } = linkNames(spec);
      return [vethOuter, egressOuter, vxlan, bridge].map((link) => `link set ${link} group ${GROUP}`);
    });
    const namespaces = specs.map(({ uuid }) => `netns del ${uuid}`);
    return this.#shell.run([...configs.map(stopDnsmasq), batch([...links, `link del group ${GROUP}`, ...namespaces])]);
  }

  float(spec: NetworkSpec, floats: readonly FloatSpec[]) {
    const pairs = floats.map((each) => {
      const { outer, inner } = floatNames(each);
      return `link add ${outer} ${QUEUES} up master ${EGRESS_BRIDGE} type veth peer name ${inner} ${QUEUES} netns ${spec.uuid}`;
    });
    const addresses = floats.map((each) => `address add ${each.address}/32 dev ${floatNames(each).inner}`);
    const elements = floats.map(({ address, target }) => `${address} : ${target}`).join(', ');
    return this.#shell.run([
      batch(pairs),
      [
        `nsenter --net=/run/netns/${spec.uuid} sh -e <<'INSIDE'`,
        batch(addresses),
        `nft add element ip nat floating '{ ${elements} }'`,
        'INSIDE',
      ].join('\n'),
    ]);
  }

  defloat(spec: NetworkSpec, floats: readonly FloatSpec[]) {
    const elements = floats.map(({ address }) => address).join(', ');
    const links = floats.map((each) => `link del ${floatNames(each).outer}`);
    return this.#shell.run([
      `nsenter --net=/run/netns/${spec.uuid} nft delete element ip nat floating '{ ${elements} }'`,
      batch(links),
    ]);
  }

  close() {
    return this.#shell.close();
  }
}
