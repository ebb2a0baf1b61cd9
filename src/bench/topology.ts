import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Network } from '../api/types.js';
import { inside } from '../demo/tools.js';
import { run } from './look.js';
import { FLOATING_GATEWAY, FLOATING_NETWORK, type Stage, uplink } from './stage.js';
import type { Path } from './traffic.js';

/** Two instances with the paths that are measured. A topology does not have the paths that it does not support. */
export interface Topology {
  ports?: Path;
  nat?: Path;
  floating?: Path;
  close(): Promise<void>;
}

const INSTANCES = '172.21.0.0/16';
const GATEWAY = '172.21.0.1';
const FIRST = '172.21.0.2';
const SECOND = '172.21.0.3';
const ROUTER = '10.200.0.2';
const FLOATING = '10.200.0.50';
const QUEUES = 'numtxqueues 1 numrxqueues 1';

/** A network of vethwork with default settings. */
export async function vethworkTopology({ host, kernel }: Stage, provideDhcp: boolean): Promise<Topology> {
  const id = randomBytes(3).toString('hex');
  const [first, second] = [`traffic-${id}-a`, `traffic-${id}-b`] as const;
  await kernel.transaction([first, second].map((name) => ({ op: 'namespace.add', name })));
  let network: Network | undefined;
  const close = async () => {
    await network?.delete();
    await host.drained();
    const errors = await kernel.teardown([first, second].map((name) => ({ op: 'namespace.delete', name })));
    if (errors.length > 0) throw new AggregateError(errors, 'delete the instances');
  };
  try {
    network = await host.createNetwork({ name: `traffic-${id}`, netblock: INSTANCES, provideDhcp });
    await network.attach({ netns: first, configure: true });
    const nic = await network.attach({ netns: second, configure: true });
    const address = await nic.float();
    return {
      ports: { client: first, server: second, address: nic.info.address },
      nat: { client: first, server: 'outside', address: uplink.outside, translated: 'client' },
      floating: { client: 'outside', server: second, address, translated: 'server' },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * A minimal copy of vethwork's topology, with the same veth pairs, bridges and namespaces: instances, a bridge, a router
 * in a namespace with NAT, a second bridge, the host, its NIC. The host is a namespace without rules of vethwork.
 */
export async function copyTopology({ mtu, egressMtu }: { mtu: number; egressMtu: number }): Promise<Topology> {
  const host = await buildHost('copy', mtu);
  const router = 'copy-router';
  await run(['ip', 'netns', 'add', router]);
  await batch(host.name, [
    'link add egr type bridge forward_delay 0',
    `address add ${FLOATING_GATEWAY}/16 dev egr`,
    'link set egr up',
    `link add net-o ${QUEUES} mtu ${mtu} up master net-br type veth peer name net-i ${QUEUES} mtu ${mtu} netns ${router}`,
    ...['egr', 'flt'].map(
      (name) =>
        `link add ${name}-o ${QUEUES} mtu ${egressMtu} up master egr type veth peer name ${name}-i ${QUEUES} mtu ${egressMtu} netns ${router}`,
    ),
  ]);
  await batch(router, [
    'link set lo up',
    `address add ${GATEWAY}/16 dev net-i`,
    `address add ${ROUTER}/16 dev egr-i`,
    `address add ${FLOATING}/32 dev flt-i`,
    ...['net-i', 'egr-i', 'flt-i'].map((name) => `link set ${name} up`),
    `route add default via ${FLOATING_GATEWAY}`,
  ]);
  await forward(router);
  await rules(router, [
    `map floating { type ipv4_addr : ipv4_addr; elements = { ${FLOATING} : ${SECOND} }; }`,
    'chain prerouting { type nat hook prerouting priority -100; dnat to ip daddr map @floating; }',
    `chain postrouting { type nat hook postrouting priority 100; ip saddr ${INSTANCES} oifname "egr-i" masquerade; }`,
  ]);
  const { first, second, outside } = host;
  return {
    ports: { client: first, server: second, address: SECOND },
    nat: { client: first, server: outside, address: uplink.outside, translated: 'client' },
    floating: { client: outside, server: second, address: FLOATING, translated: 'server' },
    close: () => removeNamespaces([router, ...host.namespaces]),
  };
}

/** NAT as on a plain container host: the instances' bridge is the gateway, the host itself translates. */
export async function plainTopology({ mtu }: { mtu: number }): Promise<Topology> {
  const host = await buildHost('plain', mtu);
  await batch(host.name, [`address add ${GATEWAY}/16 dev net-br`]);
  await rules(host.name, [
    `chain postrouting { type nat hook postrouting priority 100; ip saddr ${INSTANCES} oifname "${uplink.nic}" masquerade; }`,
  ]);
  return {
    nat: { client: host.first, server: host.outside, address: uplink.outside, translated: 'client' },
    close: () => removeNamespaces(host.namespaces),
  };
}

/** The CNI bridge plugin with NAT on a host of its own. */
export async function cniTopology({ mtu }: { mtu: number }, program: string, folder: string): Promise<Topology> {
  const { name, first, second, outside, namespaces } = await buildNamespaces('cni');
  const network = {
    ...{ cniVersion: '1.0.0', name: 'traffic', type: 'bridge', bridge: 'cni0', isGateway: true, ipMasq: true, mtu },
    ipam: {
      ...{ type: 'host-local', dataDir: join(folder, 'traffic'), routes: [{ dst: '0.0.0.0/0' }] },
      ranges: [[{ subnet: INSTANCES, gateway: GATEWAY }]],
    },
  };
  const config = join(folder, 'traffic.json');
  await writeFile(config, JSON.stringify(network));
  const add = async (instance: string) => {
    const variables = `CNI_COMMAND=ADD CNI_CONTAINERID=${instance} CNI_NETNS=/run/netns/${instance} CNI_IFNAME=eth0`;
    await run(inside(name, 'sh', '-c', `${variables} CNI_PATH=${dirname(program)} ${program} <${config}`));
  };
  await add(first);
  await add(second);
  return {
    ports: { client: first, server: second, address: SECOND },
    nat: { client: first, server: outside, address: uplink.outside, translated: 'client' },
    close: () => removeNamespaces(namespaces),
  };
}

/** A host with a NIC that leads outside, and a bridge with two instances. */
async function buildHost(name: string, mtu: number) {
  const built = await buildNamespaces(name);
  const { name: host, first, second } = built;
  await batch(host, [
    'link add net-br type bridge forward_delay 0',
    'link set net-br up',
    ...[first, second].map(
      (each) =>
        `link add ${each} ${QUEUES} mtu ${mtu} up master net-br type veth peer name eth0 ${QUEUES} mtu ${mtu} netns ${each}`,
    ),
  ]);
  for (const [instance, address] of [
    [first, FIRST],
    [second, SECOND],
  ] as const) {
    await batch(instance, [
      'link set lo up',
      'link set eth0 up',
      `address add ${address}/16 dev eth0`,
      `route add default via ${GATEWAY}`,
    ]);
  }
  return built;
}

/** Namespaces of a host with a NIC that leads outside, and of two instances. */
async function buildNamespaces(name: string) {
  const [host, outside, first, second] = [`${name}-host`, `${name}-outside`, `${name}-a`, `${name}-b`] as const;
  const namespaces = [host, outside, first, second];
  for (const each of namespaces) await run(['ip', 'netns', 'add', each]);
  const { nic } = uplink;
  await batch(host, [
    'link set lo up',
    `link add ${nic} mtu 8950 up type veth peer name ${nic} mtu 8950 netns ${outside}`,
    `address add ${uplink.address}/24 dev ${nic}`,
  ]);
  await batch(outside, [
    'link set lo up',
    `link set ${nic} up`,
    `address add ${uplink.outside}/24 dev ${nic}`,
    `route add ${FLOATING_NETWORK} via ${uplink.address}`,
  ]);
  await forward(host);
  return { name: host, outside, first, second, namespaces };
}

/** MTUs of the links of vethwork, so that a copy can have the same. */
export async function readMtus({ client }: Path): Promise<{ mtu: number; egressMtu: number }> {
  const read = async (...command: string[]) => Number(/mtu (\d+)/.exec(await run(command))?.[1]);
  return {
    mtu: await read('ip', '-n', client, 'link', 'show', 'eth0'),
    egressMtu: await read('sh', '-c', "ip -o link show type veth | grep -m1 ' egr-'"),
  };
}

function batch(netns: string, lines: readonly string[]): Promise<string> {
  return run(['sh', '-c', `printf '%s\\n' "$@" | ip -n ${netns} -batch -`, 'sh', ...lines]);
}

const forward = (netns: string) => run(inside(netns, 'sh', '-c', 'echo 1 >/proc/sys/net/ipv4/ip_forward'));

const rules = (netns: string, lines: readonly string[]) =>
  run(inside(netns, 'nft', ['table ip nat {', ...lines, '}'].join('\n')));

async function removeNamespaces(names: readonly string[]): Promise<void> {
  for (const name of names) await run(['ip', 'netns', 'delete', name]);
}
