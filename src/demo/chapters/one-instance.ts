import { links } from '../look.js';
import type { Chapter } from '../scene.js';
import { machine } from '../stage.js';
import { startGuest } from './guest.js';
import { story } from './names.js';

export const oneInstance: Chapter = {
  title: 'One instance without a floating IP',
  text: `An instance is a namespace here, with a real DHCP client in it. Attaching it adds nothing to the network but its
    own wire: dnsmasq is already on the network and answers. Nobody outside can reach the instance, but it can reach
    the outside, where it is seen as the floating gateway.`,
  async play(scene) {
    const { name } = story.first;
    const { uuid } = scene.network;
    const before = [...(await links(uuid)).keys()];
    await startGuest(scene, story.first);
    scene.equal("nothing changed inside the network's namespace", [...(await links(uuid)).keys()], before);

    scene.say(`The instance pings ${machine.outside}, a host beyond the uplink, which tells who it thinks is calling:`);
    const outside = { netns: scene.stage.outside, device: machine.nic };
    const { outside: packets = [] } = await scene.listen(
      { outside },
      ['icmp'],
      () => scene.show(name, 'ping', '-c', '1', '-W', '2', machine.outside),
      { outside: /echo reply/ },
    );
    const request = packets.find((packet) => packet.what.includes('echo request'));
    const reply = packets.find((packet) => packet.what.includes('echo reply'));
    scene.equal('the outside sees the floating gateway', request?.source, story.floatingGateway);
    scene.equal('and answers it', reply?.destination, story.floatingGateway);
    scene.check(`${name} reaches the outside`, await scene.pings(name, machine.outside));
    scene.check(`${name} reaches its gateway`, await scene.pings(name, story.gateway));
    const time = await scene.network.ping(story.first.address);
    scene.check(`network.ping reaches ${name}`, time !== undefined, 'no answer');
  },
};
