import { links } from '../look.js';
import type { Chapter } from '../scene.js';
import { machine } from '../stage.js';
import { startGuest } from './guest.js';
import { story } from './names.js';

export const oneInstance: Chapter = {
  title: 'One instance without a floating IP',
  text: `A namespace represents the instance. A real DHCP client runs in it. Attaching the instance adds only its veth pair
    to the network: dnsmasq already runs there and replies. The outside cannot reach the instance. The instance can
    reach the outside, with the floating gateway as its source address.`,
  async play(scene) {
    const { name } = story.first;
    const { uuid } = scene.network;
    const before = [...(await links(uuid)).keys()];
    await startGuest(scene, story.first);
    scene.equal("the links in the network's namespace are unchanged", [...(await links(uuid)).keys()], before);

    scene.say(`The instance pings ${machine.outside}, a host outside. A capture there shows the source address:`);
    const outside = { netns: scene.stage.outside, device: machine.nic };
    const { outside: packets = [] } = await scene.listen(
      { outside },
      ['icmp'],
      () => scene.show(name, 'ping', '-c', '1', '-W', '2', machine.outside),
      { outside: /echo reply/ },
    );
    const request = packets.find((packet) => packet.info.includes('echo request'));
    const reply = packets.find((packet) => packet.info.includes('echo reply'));
    scene.equal('the source address is the floating gateway', request?.source, story.floatingGateway);
    scene.equal('the reply goes to the floating gateway', reply?.destination, story.floatingGateway);
    scene.check(`${name} reaches the outside`, await scene.pings(name, machine.outside));
    scene.check(`${name} reaches its gateway`, await scene.pings(name, story.gateway));
    const time = await scene.network.ping(story.first.address);
    scene.check(`network.ping reaches ${name}`, time !== undefined, 'no answer');
  },
};
