import { existsSync } from 'node:fs';
import { links, ports, snapshot } from '../look.js';
import type { Chapter } from '../scene.js';
import { device, story } from './names.js';

/** @param before snapshot of the host's namespace before `openHost` */
export function removal(before: string): Chapter {
  return {
    title: 'Removal',
    text: `vethwork removes everything in this order: the floating IP, an interface, the network with its remaining objects,
      and the egress bridge.`,
    async play(scene) {
      const { host, network, stage } = scene;
      const { nic } = scene.guest(story.second.name);
      scene.check('the floating IP is reachable before its removal', await scene.pings('outside', story.floating));
      await scene.call('nic.defloat', () => nic.defloat());
      scene.check('the floating IP is unreachable', !(await scene.pings('outside', story.floating)));
      scene.check('its devices are deleted', !(await links(stage.host)).has(device.floatingOuter));

      await scene.call('network.unroute', (address) => network.unrouteAddress(address), story.routed);
      await scene.call('nic.detach', () => nic.detach());
      const all = await links(stage.host);
      scene.check(
        `${story.second.device} exists and is not a port of ${device.bridge}`,
        all.has(story.second.device) && !ports(all, device.bridge).includes(story.second.device),
      );

      await scene.call('network.delete', () => network.delete());
      await scene.call('host.drained', () => host.drained());
      scene.check("the network's namespace is deleted", !existsSync(`/run/netns/${network.uuid}`));
      if (!existsSync(`/run/netns/${network.uuid}`)) {
        await stage.setNetwork(undefined);
      }
      scene.equal('no record of a network remains', await host.listNetworks(), []);
      scene.equal('no record of an interface remains', await host.listInterfaces(), []);

      for (const instance of stage.instances) {
        await instance.remove();
      }
      await scene.call('host.teardown', () => host.teardown());
      await scene.show('host', 'ip', 'address');
      scene.equal('the host has its original state', await snapshot(stage.host), before);
    },
  };
}
