import { routes } from '../look.js';
import type { Chapter } from '../scene.js';
import { device, story } from './names.js';
import { startWebServer } from './web-server.js';

export const routedIp: Chapter = {
  title: 'A routed IP',
  text: `A routed IP comes from the same pool as floating IPs, but nothing is rewritten: the host has a route for it onto
    the network's bridge, and an interface there must answer for the address. The instance sees that the traffic was
    meant for it, and in return has to be configured for it. Services such as MetalLB work like this.`,
  async play(scene) {
    const { name } = story.first;
    const { network } = scene;
    await scene.call('network.routeAddress', (options) => network.routeAddress(options), { address: story.routed });
    scene.say('The instance takes the address itself:');
    await scene.show(name, 'ip', 'address', 'add', `${story.routed}/32`, 'dev', 'eth0');
    await scene.show('host', 'ip', 'route');
    const seen = await routes(scene.stage.host);
    const wanted = `${story.routed} dev ${device.bridge}`;
    scene.check(
      `the host has a route ${wanted}`,
      seen.some((route) => route.startsWith(wanted)),
      seen.join('; '),
    );
    scene.equal('the network knows its routed address', (await network.refresh()).routedAddresses, [story.routed]);

    await scene.show('outside', 'ping', '-c', '1', '-W', '2', story.routed);
    scene.check('the outside pings the routed IP', await scene.pings('outside', story.routed));
    await using _server = await startWebServer(scene, name);
    for (const from of ['outside', 'host', story.second.name]) {
      scene.equal(`TCP to the routed IP from ${from}`, await scene.fetch(from, story.routed), `this is ${name}`);
    }
  },
};
