// The calls of the walk-through, without other tools. no-fork.test.ts traces this program.
import { openHost } from '../../../src/index.js';

const [netns, container, state] = process.argv.slice(2) as [string, string, string];

const host = await openHost({
  netns,
  stateDir: state,
  egressNic: 'eth0',
  floatingNetwork: '192.168.15.0/24',
  dnsServers: [],
});
const network = await host.createNetwork({ name: 'demo', netblock: '172.16.0.0/24', provideDns: true });
const tap = await network.attach({ tap: 'vnet0', hostname: 'one' });
const veth = await network.attach({ netns: container, configure: true });
const address = await veth.float();
const routed = await network.routeAddress();
await network.ping(veth.info.address);
await host.reconcile();
await network.unrouteAddress(routed);
await veth.defloat();
await veth.detach();
await tap.detach();
await network.delete();
await host.drained();
await host.teardown();
await host.close();
process.stdout.write(`${address}\n`);
