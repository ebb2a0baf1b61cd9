/**
 * Run by pools.test.ts as a process of its own. `claim` is a client of a node: it claims slots and prints their devices.
 * `agent` is the agent of the node; told to die, it kills itself when it opens the port of a slot.
 */
import { type ClusterHostOptions, openHost } from '../../../src/index.js';
import { kernelChannel } from '../../../src/kernel/channels.js';
import { SLOT_TABLE } from '../../../src/plan/slots.js';

export interface Order {
  role: 'claim' | 'agent';
  options: ClusterHostOptions;
  network: string;
  pool: string;
  claims: number;
}

const { role, options, network, pool, claims } = JSON.parse(process.argv[2] as string) as Order;
const host = await openHost({ ...options, agent: role === 'agent' });
if (role === 'claim') {
  const net = await host.getNetwork(network);
  const claimed = await Promise.all(Array.from({ length: claims }, () => net.attach({ slot: pool })));
  process.stdout.write(JSON.stringify(claimed.map(({ info }) => info.device)));
  await host.close();
} else {
  process.once('message', () => {
    kernelChannel.start.subscribe((message) => {
      const text = JSON.stringify((message as { operations: unknown }).operations);
      if (text.includes('element.delete') && text.includes(SLOT_TABLE)) process.kill(process.pid, 'SIGKILL');
    });
    process.send?.('armed');
  });
  process.send?.('ready');
}
