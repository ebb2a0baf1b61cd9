import { formatInterface } from '../../format/format.js';
import { links, ports } from '../look.js';
import type { Guest, Scene } from '../scene.js';
import { device, story } from './names.js';

type Wanted = typeof story.first | typeof story.second;

/** Starts an instance on the network, as a hypervisor does, and runs its DHCP client. */
export async function startGuest(scene: Scene, wanted: Wanted): Promise<Guest> {
  const { name, device: vnet, mac, address } = wanted;
  const { stage, network, signal } = scene;
  const instance = await stage.addInstance(name, vnet, mac, signal);
  const nic = await scene.call('network.attach', (options) => network.attach({ ...options, signal }), {
    device: vnet,
    mac,
    address,
    hostname: name,
    instance: name,
  });
  const guest = { instance, nic };
  scene.addGuest(guest);
  scene.print(formatInterface(nic.info));

  scene.say(`${vnet} is the host end of the instance's veth pair. It is now a port of the bridge:`);
  await scene.show('host', 'ip', 'address', 'show', vnet);
  await scene.show('host', 'ip', '-br', 'link', 'show', 'master', device.bridge);
  const all = await links(stage.host);
  scene.check(`${vnet} is a port of ${device.bridge}`, ports(all, device.bridge).includes(vnet));
  scene.equal(`${vnet} has the network's MTU`, all.get(vnet)?.mtu, story.mtu);

  scene.say('A DHCP client in the instance requests its address:');
  await scene.show(name, ...(await instance.dhcpCommand()));
  await scene.show(name, 'ip', 'address', 'show', 'eth0');
  const { ip, router, mtu, hostname } = await instance.lease();
  scene.equal(
    `${name} gets ${address} by DHCP, with gateway and MTU`,
    [ip, router, mtu],
    [address, story.gateway, String(story.mtu)],
  );
  scene.equal(`${name} gets its host name by DHCP`, hostname, name);
  return guest;
}
