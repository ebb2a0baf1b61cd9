/** Run by ensure.test.ts as one of several processes at once: says what it was given. */
import { type HostOptions, openHost } from '../../../src/index.js';

export interface Order {
  options: HostOptions;
  /** Of a container. */
  netns: string;
}

/** UUIDs. */
export interface Given {
  network: string;
  interfaces: string[];
}

process.once('message', async ({ options, netns }: Order) => {
  const host = await openHost(options);
  const network = await host.ensureNetwork({ name: 'shared', netblock: '172.16.0.0/24' });
  const nics = await Promise.all([
    network.ensureInterface({ tap: 'vnet0' }),
    network.ensureInterface({ netns, configure: true }),
  ]);
  const given: Given = { network: network.uuid, interfaces: nics.map(({ uuid }) => uuid) };
  await host.close();
  process.send?.(given, () => process.disconnect());
});
process.send?.('ready');
