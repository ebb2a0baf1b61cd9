import { join } from 'node:path';
import { run } from '../../demo/tools.js';
import type { Contender, FloatWish, NetworkWish, Peer } from '../contender.js';
import { Shell } from '../coprocess.js';
import { EGRESS_BRIDGE, FLOATING_GATEWAY, LAN, type Slot, type Stage, uplink } from '../stage.js';
import { dnsmasqConfig, stopDnsmasq } from './dnsmasq.js';
import { floatNames, linkNames } from './names.js';
import { missingPrograms } from './requirements.js';

/** Lists of commands that are run beside each other: more do not help, as the kernel does one change at a time. */
const AT_ONCE = 4;

/** The walk-through's commands, one process each. */
export const walkthrough: Peer = {
  name: 'walkthrough',
  title: "the walk-through's commands",
  description: 'ip, brctl, sysctl and iptables, one process a step, started by a shell that stays',
  inProcess: false,
  stays: false,
  most: 64,
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

const create = (wish: NetworkWish, config: string): string[] => {
  const { uuid, vni, netblock, gatewayCidr, egressCidr, dhcp } = wish;
  const { vxlan, bridge, vethOuter, vethInner, egressOuter, egressInner } = linkNames(wish);
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

const remove = (wish: NetworkWish, config: string): string[] => {
  const { vxlan, bridge, vethOuter, egressOuter } = linkNames(wish);
  return [
    ...(wish.dhcp ? [stopDnsmasq(config)] : []),
    `ip link delete ${vethOuter}`,
    `ip link delete ${egressOuter}`,
    `ip netns del ${wish.uuid}`,
    `ip link delete ${bridge}`,
    `ip link delete ${vxlan}`,
  ];
};

const float = (wish: NetworkWish, each: FloatWish): string[] => {
  const { outer, inner } = floatNames(each);
  const inside = `ip netns exec ${wish.uuid}`;
  return [
    `ip link add ${outer} type veth peer name ${inner}`,
    `ip link set ${inner} netns ${wish.uuid}`,
    `${inside} ip addr add ${each.address}/32 dev ${inner}`,
    `${inside} iptables -t nat -A PREROUTING -d ${each.address} -j DNAT --to-destination ${each.target}`,
  ];
};

const defloat = (wish: NetworkWish, each: FloatWish): string[] => [
  `ip netns exec ${wish.uuid} iptables -t nat -D PREROUTING -d ${each.address} -j DNAT --to-destination ${each.target}`,
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
    return this.#shell.runBeside(slots.map(attach), AT_ONCE);
  }

  attachTaps(slots: readonly Slot[]) {
    return this.#shell.runBeside(slots.map(attachTap), AT_ONCE);
  }

  detach(slots: readonly Slot[]) {
    return this.#shell.runBeside(
      slots.map(({ device }) => [`ip link del ${device}`]),
      AT_ONCE,
    );
  }

  async createNetwork(wish: NetworkWish) {
    return this.#shell.run(create(wish, await this.#config(wish)));
  }

  async deleteNetwork(wish: NetworkWish) {
    return this.#shell.run(remove(wish, await this.#config(wish)));
  }

  float(wish: NetworkWish, floats: readonly FloatWish[]) {
    return this.#shell.run(floats.flatMap((each) => float(wish, each)));
  }

  defloat(wish: NetworkWish, floats: readonly FloatWish[]) {
    return this.#shell.run(floats.flatMap((each) => defloat(wish, each)));
  }

  close() {
    return this.#shell.close();
  }

  async #config(wish: NetworkWish): Promise<string> {
    return wish.dhcp ? dnsmasqConfig(join(await this.stage.room('walkthrough')), wish) : '';
  }
}
