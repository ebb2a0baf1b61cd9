/**
 * Run by slots.test.ts as a process of its own: claims slots of a pool. `die` kills it between the commit of the claim and
 * the change of the kernel.
 */
import { type HostOptions, openHost } from '../../../src/index.js';
import { kernelChannel } from '../../../src/kernel/channels.js';

export interface Order {
  options: HostOptions;
  network: string;
  pool: string;
  claims: number;
  die: boolean;
}

const order = JSON.parse(process.argv[2] as string) as Order;
const host = await openHost({ ...order.options, repair: false });
const network = await host.getNetwork(order.network);
if (order.die) kernelChannel.start.subscribe(() => process.kill(process.pid, 'SIGKILL'));
const claims = Array.from({ length: order.claims }, () => network.attach({ slot: order.pool }));
process.stdout.write(JSON.stringify((await Promise.all(claims)).map(({ info }) => info.device)));
await host.close();
