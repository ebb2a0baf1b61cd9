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
  text: `A network is made of a VXLAN device, through which other machines would join; a bridge, to which it and the
    instances are attached; and a namespace named by the network's UUID, which holds its DHCP server, its routes and
    its address translation. Two veth pairs join the namespace to the network's bridge and to the egress bridge.`,
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

/** With the walk-through's UUID, or a random one where another run on this machine has it: it names a namespace. */
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
  scene.equal(`${device.vxlan} carries VXLAN id ${story.vni}`, vxlan?.linkinfo?.info_data?.id, story.vni);

  scene.say('The ports of the two bridges:');
  await scene.show('host', 'ip', '-br', 'link', 'show', 'master', device.bridge);
  await scene.show('host', 'ip', '-br', 'link', 'show', 'master', device.egressBridge);
  scene.equal(`ports of ${device.bridge}`, ports(all, device.bridge), [device.outer, device.vxlan]);
  scene.equal(`ports of ${device.egressBridge}`, ports(all, device.egressBridge), [device.egressOuter]);
  const mtus = [device.vxlan, device.bridge, device.outer].map((name) => all.get(name)?.mtu);
  scene.equal(`one MTU on the way: ${story.mtu}`, mtus, [story.mtu, story.mtu, story.mtu]);

  scene.say('The namespace, seen by ip netns like any other:');
  await scene.show('host', 'ls', '-d', `/run/netns/${uuid}`);
  scene.check('a namespace is named by the UUID', existsSync(`/run/netns/${uuid}`));
}

async function checkInside(scene: Scene): Promise<void> {
  const { uuid } = scene.network;
  const enter = ['ip', 'netns', 'exec', uuid];
  scene.say(`In it are the inner ends: ${device.inner} is the network's gateway, and ${device.egressInner} has an address
    of the floating network, the floating gateway, which stands for all instances towards the outside.`);
  await scene.show('host', ...enter, 'ip', 'address');
  const inner = await links(uuid);
  scene.equal(`${device.inner} is the gateway`, ipv4(inner.get(device.inner)), [`${story.gateway}/24`]);
  scene.equal(`${device.inner} has the same MTU`, inner.get(device.inner)?.mtu, story.mtu);
  const egress = ipv4(inner.get(device.egressInner));
  scene.equal(`${device.egressInner} has the floating gateway`, egress, [`${story.floatingGateway}/24`]);

  await scene.show('host', ...enter, 'ip', 'route');
  const wayOut = `default via ${story.egressAddress} dev ${device.egressInner}`;
  const seen = await routes(uuid);
  scene.check(
    'the default route leads to the egress bridge',
    seen.some((route) => route.startsWith(wayOut)),
    seen[0],
  );

  scene.say('What goes out is masqueraded as the floating gateway:');
  await scene.show('host', ...enter, 'nft', 'list', 'ruleset');
  const rules = await ruleset(uuid);
  const tables = [...rules.matchAll(/^table \S+ (\S+)/gm)].map((match) => match[1]);
  scene.equal('one nftables table, named vethwork', tables, ['vethwork']);
  const masquerade = rules.split('\n').find((rule) => rule.includes('masquerade') && rule.includes(story.netblock));
  scene.check(`${story.netblock} is masqueraded`, masquerade !== undefined);
}

async function checkDnsmasq(scene: Scene): Promise<void> {
  scene.say('And there is one process in it, the DHCP server; it serves this network only, and not as root:');
  const { stdout } = await scene.ask('host', 'ip', 'netns', 'pids', scene.network.uuid);
  const pids = stdout.split('\n').filter((pid) => pid !== '');
  const read = (pid: string, file: string): Promise<string> => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
  const processes = await Promise.all(pids.map((pid) => read(pid, 'status')));
  for (const pid of pids) {
    scene.print(`pid ${pid}: ${(await read(pid, 'cmdline')).replaceAll('\0', ' ')}`);
  }
  const named = processes.map((status) => /^Name:\s*(.*)$/m.exec(status)?.[1]);
  const roots = processes.filter((status) => /^Uid:\s*0\s/m.test(status));
  scene.equal('dnsmasq runs in the namespace, alone', named, ['dnsmasq']);
  scene.equal('dnsmasq is not root', roots.length, 0);
}
