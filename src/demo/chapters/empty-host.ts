import { ipv4, links, ports } from '../look.js';
import type { Chapter } from '../scene.js';
import { machine } from '../stage.js';
import { device, story } from './names.js';

export const emptyHost: Chapter = {
  title: 'A host without networks',
  text: `A network namespace represents the machine. Its eth0 is the uplink. openHost created one object: the egress bridge,
    which is named after that NIC and has no ports yet. It has the first address of the floating network. All traffic
    from networks to the outside passes through it.`,
  async play(scene) {
    await scene.show('host', 'ip', 'address');
    const all = await links(scene.stage.host);
    const bridge = all.get(device.egressBridge);
    scene.equal(`${device.egressBridge} is a bridge`, bridge?.linkinfo?.info_kind, 'bridge');
    scene.equal(`${device.egressBridge} has the floating network's first address`, ipv4(bridge), [
      `${story.egressAddress}/24`,
    ]);
    scene.equal(`${device.egressBridge} has no ports`, ports(all, device.egressBridge), []);
    scene.equal('eth0 is unchanged', ipv4(all.get(machine.nic)), [`${machine.address}/24`]);
  },
};
