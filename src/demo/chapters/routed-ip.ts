import { routes } from '../look.js';
import type { Chapter } from '../scene.js';
import { device, story } from './names.js';
import { startWebServer } from './web-server.js';

export const routedIp: Chapter = {
  title: 'A routed IP',
  text: `A routed IP comes from the same pool as floating IPs, but there is no address translation. The host has a route for
    the address to the network's bridge. The instance receives packets with this destination address and has to be
    configured with it. Services such as MetalLB use routed addresses.`,
  async play(scene) {
    const { name } = story.first;
    const { network } = scene;
    await scene.call('network.routeAddress', (options) => network.routeAddress(options), { address: story.routed });
    scene.say('The address is added in the instance:');
    await scene.show(name, 'ip', 'address', 'add', `${story.routed}/32`, 'dev', 'eth0');
    await scene.show('host', 'ip', 'route');
    const seen = await routes(scene.stage.host);
    const wanted = `${story.routed} dev ${device.bridge}`;
    scene.check(
      `the host has a route ${wanted}`,
      seen.some((route) => route.startsWith(wanted)),
      seen.join('; '),
    );
    scene.equal('the network has a record of its routed address', (await network.refresh()).routedAddresses, [
      story.routed,
    ]);

    await scene.show('outside', 'ping', '-c', '1', '-W', '2', story.routed);
    scene.check('the outside reaches the routed IP', await scene.pings('outside', story.routed));
    await using _server = await startWebServer(scene, name);
    for (const from of ['outside', 'host', story.second.name]) {
      scene.equal(`TCP to the routed IP from ${from}`, await scene.fetch(from, story.routed), `this is ${name}`);
    }
  },
};
