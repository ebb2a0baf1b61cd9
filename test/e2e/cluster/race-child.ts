/**
 * Run by the race of the cluster as a process of its own: opens a node at the same time as others, makes a network and
 * interfaces in it and in a network that all share, floats them, and prints what it was assigned.
 */
import { type ClusterHostOptions, openHost } from '../../../src/index.js';

export interface Order {
  options: ClusterHostOptions;
  /** UUID. */
  shared: string;
  /** Of interfaces in each network. */
  count: number;
}

/** What a process was given. */
export interface Given {
  vni: number;
  gateway: string;
  interfaces: { network: string; uuid: string; mac: string; address: string; floating: string }[];
}

process.once('message', async ({ options, shared, count }: Order) => {
  const host = await openHost(options);
  const own = await host.createNetwork({
    name: `${options.node}-${process.pid}`,
    netblock: '172.16.0.0/24',
    provideDhcp: false,
  });
  const networks = [own, await host.getNetwork(shared)];
  const interfaces = await Promise.all(
    Array.from({ length: 2 * count }, async (_, index) => {
      const network = networks[index % 2] as (typeof networks)[number];
      const nic = await network.attach({ tap: `r${process.pid % 100_000}-${index}` });
      const { mac, address } = nic.info;
      return { network: network.uuid, uuid: nic.uuid, mac, address, floating: await nic.float() };
    }),
  );
  const given: Given = { vni: own.info.vni, gateway: own.info.floatingGateway ?? '', interfaces };
  await host.close();
  process.send?.(given, () => process.disconnect());
});
process.send?.('ready');
