/** Run by unprivileged.test.ts as another user: `unprivileged-child.ts <options as JSON> <guest> <lease client>`. */
import { execFileSync } from 'node:child_process';
import { openHost } from '../../../src/index.js';

const [options = '', guest = '', services = ''] = process.argv.slice(2);

/** What happened, or what the error said, as the last line. */
async function main(): Promise<object> {
  const host = await openHost(JSON.parse(options));
  try {
    const isServed = services !== '';
    const network = await host.createNetwork({
      ...{ name: 'mine', netblock: '10.5.0.0/24', floatingGateway: '192.168.15.66' },
      ...{ provideDhcp: isServed, provideDns: isServed },
    });
    const nic = await network.attach({ netns: guest, configure: true, hostname: 'one' });
    const done = {
      uid: process.geteuid?.(),
      floating: await nic.float({ address: '192.168.15.77' }),
      routed: await network.routeAddress({ address: '192.168.15.88' }),
      repairs: await host.reconcile({ dryRun: true }),
      sent: (await nic.counters()).sent.packets >= 0,
      answer: isServed ? askDns(guest) : undefined,
      ping: await network.ping(nic.info.address).then(
        (time) => time !== undefined,
        (error: { capability?: string }) => error.capability,
      ),
    };
    await nic.detach();
    await network.delete();
    return done;
  } finally {
    for (const { uuid } of await host.listNetworks()) await (await host.getNetwork(uuid)).delete();
    await host.drained();
    await host.teardown();
    await host.close();
  }
}

function askDns(netns: string): string {
  const dig = ['dig', '+short', '+tries=3', '@10.5.0.1', 'one.vethwork.internal'];
  return execFileSync('nsenter', [`--net=${netns}`, ...dig], { encoding: 'utf8' }).trim();
}

const result = await main().catch((error: object) => ({ error }));
process.stdout.write(`${JSON.stringify(result)}\n`);
