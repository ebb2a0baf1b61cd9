import { join } from 'node:path';
import { run } from '../../demo/tools.js';
import type { Contender, FloatSpec, NetworkSpec, Peer } from '../contender.js';
import { Shell } from '../coprocess.js';
import { EGRESS_BRIDGE, FLOATING_GATEWAY, LAN, type Slot, type Stage, uplink } from '../stage.js';
import { dnsmasqConfig, stopDnsmasq } from './dnsmasq.js';
import { floatNames, linkNames } from './names.js';
import { missingPrograms } from './requirements.js';

/** Maximum of concurrent command lists. More do not help, because the kernel serializes changes of links. */
const CONCURRENCY = 4;

/** The commands of the walk-through, one process per command. */
export const walkthrough: Peer = {
  name: 'walkthrough',
  title: "the walk-through's commands",
  description: 'ip, brctl, sysctl and iptables, one process per command, started by a long-running shell',
  inProcess: false,
  longRunning: false,
  maxInterfaces: 64,
  missing: () =>
    missingPrograms({
      ip: 'iproute2',
      brctl: 'bridge-utils',
      sysctl: 'procps',
      iptables: 'iptables',
      dnsmasq: 'dnsmasq-base',
    }),
  version: async () => (await run(['ip', '-V'])).trim(),
  open: async (stage) => new Walkthrough(stage),
};

const attach = ({ netns, device, address }: Slot): string[] => {
  const inside = `ip netns exec ${netns}`;
  return [
    `ip link add ${device} type veth peer name ${device}i`,
    `ip link set ${device}i netns ${netns}`,
    `ip link set ${device} master ${LAN.bridge}`,
    `ip link set ${device} up`,
    `${inside} ip link set ${device}i name eth0`,
    `${inside} ip link set lo up`,
    `${inside} ip link set eth0 up`,
    `${inside} ip addr add ${address}/${LAN.prefix} dev eth0`,
    `${inside} ip route add default via ${LAN.gateway}`,
  ];
};

const attachTap = ({ device }: Slot): string[] => [
  `ip tuntap add dev ${device} mode tap`,
  `ip link set ${device} master ${LAN.bridge}`,
  `ip link set ${device} up`,
];

const create = (spec: NetworkSpec, config: string): string[] => {
  const { uuid, vni, netblock, gatewayCidr, egressCidr, dhcp } = spec;
  const { vxlan, bridge, vethOuter, vethInner, egressOuter, egressInner } = linkNames(spec);
  const inside = `ip netns exec ${uuid}`;
  return [
    `ip link add ${vxlan} type vxlan id ${vni} dev ${uplink.nic} dstport 4789`,
    `sysctl -w net.ipv4.conf.${vxlan}.arp_notify=1`,
    `ip link add ${bridge} type bridge`,
    `ip link set ${vxlan} master ${bridge}`,
    `ip link set ${vxlan} up`,
    `ip link set ${bridge} up`,
    `sysctl -w net.ipv4.conf.${bridge}.arp_notify=1`,
    `brctl setfd ${bridge} 0`,
    `brctl stp ${bridge} off`,
    `ip netns add ${uuid}`,
    `ip link add ${vethOuter} type veth peer name ${vethInner}`,
    `ip link set ${vethInner} netns ${uuid}`,
    `brctl addif ${bridge} ${vethOuter}`,
    `ip link set ${vethOuter} up`,
    `${inside} ip link set ${vethInner} up`,
    `${inside} ip addr add ${gatewayCidr} dev ${vethInner}`,
    `ip link add ${egressOuter} type veth peer name ${egressInner}`,
    `brctl addif ${EGRESS_BRIDGE} ${egressOuter}`,
    `ip link set ${egressOuter} up`,
    `ip link set ${egressInner} netns ${uuid}`,
    `${inside} ip addr add ${egressCidr} dev ${egressInner}`,
    `${inside} ip link set ${egressInner} up`,
    `${inside} ip route add default via ${FLOATING_GATEWAY}`,
    `${inside} sysctl -w net.ipv4.ip_forward=1`,
    `${inside} iptables -t nat -A POSTROUTING -s ${netblock} -o ${egressInner} -j MASQUERADE`,
    ...(dhcp ? [`${inside} dnsmasq --conf-file=${config}`] : []),
  ];
};

const remove = (spec: NetworkSpec, config: string): string[] => {
  const { vxlan, bridge, vethOuter, egressOuter } = linkNames(spec);
  return [
    ...(spec.dhcp ? [stopDnsmasq(config)] : []),
    `ip link delete ${vethOuter}`,
    `ip link delete ${egressOuter}`,
    `ip netns del ${spec.uuid}`,
    `ip link delete ${bridge}`,
    `ip link delete ${vxlan}`,
  ];
};

const float = (spec: NetworkSpec, each: FloatSpec): string[] => {
  const { outer, inner } = floatNames(each);
  const inside = `ip netns exec ${spec.uuid}`;
  return [
    `ip link add ${outer} type veth peer name ${inner}`,
    `ip link set ${inner} netns ${spec.uuid}`,
    `${inside} ip addr add ${each.address}/32 dev ${inner}`,
    `${inside} iptables -t nat -A PREROUTING -d ${each.address} -j DNAT --to-destination ${each.target}`,
  ];
};

const defloat = (spec: NetworkSpec, each: FloatSpec): string[] => [
  `ip netns exec ${spec.uuid} iptables -t nat -D PREROUTING -d ${each.address} -j DNAT --to-destination ${each.target}`,
  `ip link del ${floatNames(each).outer}`,
];

class Walkthrough implements Contender {
  readonly lan = LAN;
  readonly #shell = new Shell();

  constructor(private readonly stage: Stage) {}

  cpu(): number {
    return this.#shell.cpu();
  }

  attach(slots: readonly Slot[]) {
    return this.#shell.runConcurrently(slots.map(attach), CONCURRENCY);
  }

  attachTaps(slots: readonly Slot[]) {
    return this.#shell.runConcurrently(slots.map(attachTap), CONCURRENCY);
  }

  detach(slots: readonly Slot[]) {
    return this.#shell.runConcurrently(
      slots.map(({ device }) => [`ip link del ${device}`]),
      CONCURRENCY,
    );
  }

  async createNetwork(spec: NetworkSpec) {
    return this.#shell.run(create(spec, await this.#config(spec)));
  }

  async deleteNetwork(spec: NetworkSpec) {
    return this.#shell.run(remove(spec, await this.#config(spec)));
  }

  float(spec: NetworkSpec, floats: readonly FloatSpec[]) {
    return this.#shell.run(floats.flatMap((each) => float(spec, each)));
  }

  defloat(spec: NetworkSpec, floats: readonly FloatSpec[]) {
    return this.#shell.run(floats.flatMap((each) => defloat(spec, each)));
  }

  close() {
    return this.#shell.close();
  }

  async #config(spec: NetworkSpec): Promise<string> {
    return spec.dhcp ? dnsmasqConfig(join(await this.stage.contenderFolder('walkthrough')), spec) : '';
  }
}
