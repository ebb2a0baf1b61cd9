import type { AttachOptions } from '../../api/types.js';
import { ipv4, links, ports } from '../look.js';
import type { Chapter } from '../scene.js';
import { machine } from '../stage.js';
import { device, story } from './names.js';

export const otherWaysIn: Chapter = {
  title: 'A container and a tap',
  text: `The walk-through does not contain these cases, but orchestrators need them. For a container, vethwork creates a
    configured eth0 in its namespace, without DHCP. For a virtual machine, vethwork creates the tap that its hypervisor
    opens.`,
  async play(scene) {
    const { network, stage, signal } = scene;
    const netns = await stage.addContainer('container', signal);
    const attach = (options: AttachOptions) => network.attach({ ...options, signal });
    const nic = await scene.call('network.attach', attach, { netns, name: 'eth0', configure: true });
    await scene.show('container', 'ip', 'address', 'show', 'eth0');
    await scene.show('container', 'ip', 'route');
    scene.equal('the container has its address', ipv4((await links(netns)).get('eth0')), [`${nic.info.address}/24`]);
    scene.check('the container reaches an instance', await scene.pings('container', story.first.address));
    scene.check('the container reaches the outside', await scene.pings('container', machine.outside));
    scene.check('an instance reaches the container', await scene.pings(story.first.name, nic.info.address));

    await scene.call('network.attach', attach, { tap: 'tap0' });
    await scene.show('host', 'ip', '-d', 'link', 'show', 'tap0');
    const all = await links(stage.host);
    scene.equal('tap0 is a tap', all.get('tap0')?.linkinfo?.info_kind, 'tun');
    scene.check(`tap0 is a port of ${device.bridge}`, ports(all, device.bridge).includes('tap0'));
  },
};
