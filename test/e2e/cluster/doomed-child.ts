/**
 * The agent of a node, as a process of its own that kills itself while it makes a network: what it has made by then its
 * successor finds.
 */
import { subscribe } from 'node:diagnostics_channel';
import { type ClusterHostOptions, openHost } from '../../../src/index.js';
import type { KernelTrace, ProcessTrace } from '../../../src/kernel/channels.js';
import { armFault } from '../../campaign/faults.js';

/** With its namespace alone, with all that is in the kernel, or with its dnsmasq as well. */
export type Doom = 'begun' | 'made' | 'served';

export interface Order {
  options: ClusterHostOptions;
  doom?: Doom | undefined;
}

const die = () => process.kill(process.pid, 'SIGKILL');

const makesNetwork = ({ action, operations }: KernelTrace) =>
  action === 'transaction' && operations.some(({ op }) => op === 'namespace.add');

function meet(doom: Doom): void {
  subscribe('tracing:vethwork:kernel:start', (message) => {
    if (doom === 'begun' && makesNetwork(message as KernelTrace)) armFault('kill', 2);
  });
  subscribe('tracing:vethwork:kernel:asyncEnd', (message) => {
    if (doom === 'made' && makesNetwork(message as KernelTrace)) die();
  });
  subscribe('tracing:vethwork:process:asyncEnd', (message) => {
    const { file } = message as ProcessTrace;
    if (doom === 'served' && file.endsWith('dnsmasq')) die();
  });
}

process.once('message', async ({ options, doom }: Order) => {
  const host = await openHost(options);
  if (doom !== undefined) meet(doom);
  process.once('SIGTERM', async () => {
    await host.close();
    process.disconnect();
  });
  process.send?.('open');
});
process.send?.('ready');
