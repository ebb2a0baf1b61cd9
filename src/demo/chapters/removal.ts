import { existsSync } from 'node:fs';
import { links, ports, snapshot } from '../look.js';
import type { Chapter } from '../scene.js';
import { device, story } from './names.js';

/** @param before the host's namespace before the host was opened */
export function removal(before: string): Chapter {
  return {
    title: 'Taking it all away',
    text: `Every object is removed by its owner: the floating IP is cut off first, then the interfaces are detached,
      then the network is deleted with all that is left of it, and at last the egress bridge goes.`,
    async play(scene) {
      const { host, network, stage } = scene;
      const { nic } = scene.guest(story.second.name);
      scene.check('the floating IP answers, still', await scene.pings('outside', story.floating));
      await scene.call('nic.defloat', () => nic.defloat());
      scene.check('the floating IP is cut off', !(await scene.pings('outside', story.floating)));
      scene.check('its devices are gone', !(await links(stage.host)).has(device.floatingOuter));

      await scene.call('network.unroute', (address) => network.unrouteAddress(address), story.routed);
      await scene.call('nic.detach', () => nic.detach());
      const all = await links(stage.host);
      scene.check(
        `${story.second.device} is given back`,
        all.has(story.second.device) && !ports(all, device.bridge).includes(story.second.device),
      );

      await scene.call('network.delete', () => network.delete());
      await scene.call('host.drained', () => host.drained());
      scene.check("the network's namespace is gone", !existsSync(`/run/netns/${network.uuid}`));
      if (!existsSync(`/run/netns/${network.uuid}`)) {
        await stage.setNetwork(undefined);
      }
      scene.equal('no network is remembered', await host.listNetworks(), []);
      scene.equal('no interface is remembered', await host.listInterfaces(), []);

      for (const instance of stage.instances) {
        await instance.remove();
      }
      await scene.call('host.teardown', () => host.teardown());
      await scene.show('host', 'ip', 'address');
      scene.equal('the host is as it was before', await snapshot(stage.host), before);
    },
  };
}
