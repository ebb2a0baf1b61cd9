import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Network } from '../../api/types.js';
import { formatNetwork } from '../../format/format.js';
import { claim } from '../claim.js';
import { ipv4, links, ports, routes, ruleset } from '../look.js';
import type { Chapter, Scene } from '../scene.js';
import { device, story } from './names.js';

export const oneNetwork: Chapter = {
  title: 'One network, no instances',
  text: `A network consists of a VXLAN device, which connects other machines; a bridge, whose ports are the VXLAN device
    and the instances; and a namespace, which is named after the network's UUID and contains the DHCP server, the
    routes and the address translation. Two veth pairs connect the namespace with the network's bridge and with the
    egress bridge.`,
  async play(scene) {
    scene.network = await createNetwork(scene);
    const { uuid, info } = scene.network;
    await scene.stage.setNetwork(uuid);
    scene.print(formatNetwork(info));
    scene.equal('the network has the VXLAN id of the walk-through', info.vni, story.vni);
    await checkOutside(scene);
    await checkInside(scene);
    await checkDnsmasq(scene);
  },
};

/** Uses the walk-through's UUID, or a random one if another run uses it: the UUID is the name of a namespace. */
async function createNetwork(scene: Scene): Promise<Network> {
  const { network: name, netblock, vni, floatingGateway, uuid } = story;
  const free = !existsSync(`/run/netns/${uuid}`) && (await claim(uuid));
  if (!free) {
    scene.say(`The walk-through's UUID ${uuid} is in use on this machine; this network gets a random one.`);
  }
  const options = { name, netblock, vni, floatingGateway, ...(free && { uuid }) };
  const { host, signal } = scene;
  return scene.call('host.createNetwork', (wanted) => host.createNetwork({ ...wanted, signal }), options);
}

async function checkOutside(scene: Scene): Promise<void> {
  const { uuid } = scene.network;
  await scene.show('host', 'ip', 'address');
  const all = await links(scene.stage.host);
  const vxlan = all.get(device.vxlan);
  scene.equal(`${device.vxlan} has VXLAN id ${story.vni}`, vxlan?.linkinfo?.info_data?.id, story.vni);

  scene.say('The ports of the two bridges:');
  await scene.show('host', 'ip', '-br', 'link', 'show', 'master', device.bridge);
  await scene.show('host', 'ip', '-br', 'link', 'show', 'master', device.egressBridge);
  scene.equal(`ports of ${device.bridge}`, ports(all, device.bridge), [device.outer, device.vxlan]);
  scene.equal(`ports of ${device.egressBridge}`, ports(all, device.egressBridge), [device.egressOuter]);
  const mtus = [device.vxlan, device.bridge, device.outer].map((name) => all.get(name)?.mtu);
  scene.equal(`all devices of the path have MTU ${story.mtu}`, mtus, [story.mtu, story.mtu, story.mtu]);

  scene.say('The namespace is a named namespace of ip netns:');
  await scene.show('host', 'ls', '-d', `/run/netns/${uuid}`);
  scene.check('the namespace has the UUID as its name', existsSync(`/run/netns/${uuid}`));
}

async function checkInside(scene: Scene): Promise<void> {
  const { uuid } = scene.network;
  const enter = ['ip', 'netns', 'exec', uuid];
  scene.say(`It contains the inner ends of the veth pairs: ${device.inner} has the gateway address of the network, and
    ${device.egressInner} has the floating gateway, an address of the floating network. The floating gateway is the
    source address of all instances in the outside.`);
  await scene.show('host', ...enter, 'ip', 'address');
  const inner = await links(uuid);
  scene.equal(`${device.inner} has the gateway address`, ipv4(inner.get(device.inner)), [`${story.gateway}/24`]);
  scene.equal(`${device.inner} has the same MTU`, inner.get(device.inner)?.mtu, story.mtu);
  const egress = ipv4(inner.get(device.egressInner));
  scene.equal(`${device.egressInner} has the floating gateway`, egress, [`${story.floatingGateway}/24`]);

  await scene.show('host', ...enter, 'ip', 'route');
  const wayOut = `default via ${story.egressAddress} dev ${device.egressInner}`;
  const seen = await routes(uuid);
  scene.check(
    'the default route points to the egress bridge',
    seen.some((route) => route.startsWith(wayOut)),
    seen[0],
  );

  scene.say('A rule masquerades outgoing packets with the floating gateway:');
  await scene.show('host', ...enter, 'nft', 'list', 'ruleset');
  const rules = await ruleset(uuid);
  const tables = [...rules.matchAll(/^table \S+ (\S+)/gm)].map((match) => match[1]);
  scene.equal('one nftables table, named vethwork', tables, ['vethwork']);
  const masquerade = rules.split('\n').find((rule) => rule.includes('masquerade') && rule.includes(story.netblock));
  scene.check(`${story.netblock} is masqueraded`, masquerade !== undefined);
}

async function checkDnsmasq(scene: Scene): Promise<void> {
  scene.say(
    'One process runs in the namespace: the DHCP server. It serves only this network and does not run as root:',
  );
  const { stdout } = await scene.ask('host', 'ip', 'netns', 'pids', scene.network.uuid);
  const pids = stdout.split('\n').filter((pid) => pid !== '');
  const read = (pid: string, file: string): Promise<string> => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
  const processes = await Promise.all(pids.map((pid) => read(pid, 'status')));
  for (const pid of pids) {
    scene.print(`pid ${pid}: ${(await read(pid, 'cmdline')).replaceAll('\0', ' ')}`);
  }
  const named = processes.map((status) => /^Name:\s*(.*)$/m.exec(status)?.[1]);
  const roots = processes.filter((status) => /^Uid:\s*0\s/m.test(status));
  scene.equal('dnsmasq is the only process in the namespace', named, ['dnsmasq']);
  scene.equal('dnsmasq does not run as root', roots.length, 0);
}
