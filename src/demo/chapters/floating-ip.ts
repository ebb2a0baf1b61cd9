import { ipv4, links, ports, routes, ruleset } from '../look.js';
import type { Chapter, Scene } from '../scene.js';
import { machine } from '../stage.js';
import { startGuest } from './guest.js';
import { device, story } from './names.js';
import { startWebServer } from './web-server.js';

export const floatingIp: Chapter = {
  title: 'Two instances, one with a floating IP',
  text: `A second instance gets a floating IP: an address of the floating network, under which the outside reaches the
    instance. Another veth pair, named after that address in hexadecimal, carries the traffic into the network's
    namespace. nftables rewrites the destination address there. The instance is not configured for the address.`,
  async play(scene) {
    const { name } = story.second;
    const routesBefore = await routes(scene.stage.host);
    const { nic } = await startGuest(scene, story.second);
    await scene.call('nic.float', (options) => nic.float(options), { address: story.floating });
    await checkDevices(scene, routesBefore);
    await checkInbound(scene);
    await checkOutbound(scene);

    scene.say(
      'The instances reach each other directly, with packets of full size. The floating IP is reachable from everywhere:',
    );
    const neighbour = story.first.name;
    scene.check('instance to instance', await scene.pings(neighbour, story.second.address));
    scene.check(
      `${story.mtu} bytes without fragmentation`,
      await scene.pings(neighbour, story.second.address, story.mtu),
    );
    await using _server = await startWebServer(scene, name);
    for (const from of ['outside', 'host', neighbour, name]) {
      scene.equal(`TCP to the floating IP from ${from}`, await scene.fetch(from, story.floating), `this is ${name}`);
    }
  },
};

async function checkDevices(scene: Scene, routesBefore: string[]): Promise<void> {
  const { uuid } = scene.network;
  const enter = ['ip', 'netns', 'exec', uuid];
  await scene.show('host', 'ip', 'address', 'show', device.floatingOuter);
  await scene.show('host', ...enter, 'ip', 'address', 'show', device.floatingInner);
  const outer = await links(scene.stage.host);
  const inner = (await links(uuid)).get(device.floatingInner);
  const isUp = [outer.get(device.floatingOuter), inner].map((link) => link?.flags.includes('LOWER_UP'));
  scene.check(
    `${device.floatingOuter} is a port of the egress bridge`,
    ports(outer, device.egressBridge).includes(device.floatingOuter),
  );
  scene.equal(`${device.floatingInner} has the floating IP, /32`, ipv4(inner), [`${story.floating}/32`]);
  scene.equal('both ends are up', isUp, [true, true]);

  scene.say("The address is in a map of the namespace's ruleset. The host's routes are unchanged:");
  await scene.show('host', ...enter, 'nft', 'list', 'ruleset');
  await scene.show('host', 'ip', 'route');
  const mapped = `${story.floating} : ${story.second.address}`;
  scene.check(`nftables maps ${mapped}`, (await ruleset(uuid)).includes(mapped));
  scene.equal("the host's routes are unchanged", await routes(scene.stage.host), routesBefore);
}

/** Filter of a ping. Other ICMP messages, such as answers to DNS queries of dnsmasq, are not of interest. */
const ECHO = ['icmp[icmptype] == icmp-echo or icmp[icmptype] == icmp-echoreply'];

/** The four devices that show the path of a packet. */
function capturePoints(scene: Scene) {
  const { host } = scene.stage;
  const { uuid } = scene.network;
  return {
    [device.floatingOuter]: { netns: host, device: device.floatingOuter },
    [device.floatingInner]: { netns: uuid, device: device.floatingInner },
    [device.egressOuter]: { netns: host, device: device.egressOuter },
    [device.egressInner]: { netns: uuid, device: device.egressInner },
  };
}

async function checkInbound(scene: Scene): Promise<void> {
  scene.say(
    `A ping from the outside to the floating IP arrives through ${device.floatingOuter}. The reply takes the same path.`,
  );
  const seen = await scene.listen(
    capturePoints(scene),
    ECHO,
    () => scene.show('outside', 'ping', '-c', '1', '-W', '2', story.floating),
    { [device.floatingOuter]: /echo reply/, [device.floatingInner]: /echo reply/ },
  );
  const there = `${machine.outside} > ${story.floating}`;
  const back = `${story.floating} > ${machine.outside}`;
  for (const name of [device.floatingOuter, device.floatingInner]) {
    scene.equal(`request and reply of the inbound ping pass ${name}`, addressPairs(seen[name]), [there, back]);
  }
  for (const name of [device.egressOuter, device.egressInner]) {
    scene.equal(`no packet passes ${name}`, addressPairs(seen[name]), []);
  }
}

async function checkOutbound(scene: Scene): Promise<void> {
  const { floatingGateway } = story;
  scene.say(
    `Connections from the instance use the path of all instances: through ${device.egressInner}, with the source address ${floatingGateway}.`,
  );
  const seen = await scene.listen(
    capturePoints(scene),
    ECHO,
    () => scene.show(story.second.name, 'ping', '-c', '1', '-W', '2', machine.outside),
    { [device.egressOuter]: /echo reply/, [device.egressInner]: /echo reply/ },
  );
  const there = `${floatingGateway} > ${machine.outside}`;
  const back = `${machine.outside} > ${floatingGateway}`;
  for (const name of [device.egressOuter, device.egressInner]) {
    scene.equal(`request and reply of the outbound ping pass ${name}`, addressPairs(seen[name]), [there, back]);
  }
  for (const name of [device.floatingOuter, device.floatingInner]) {
    scene.equal(`no packet passes ${name}`, addressPairs(seen[name]), []);
  }
}

function addressPairs(packets: readonly { source: string; destination: string }[] = []): string[] {
  return packets.map(({ source, destination }) => `${source} > ${destination}`);
}
