/** Run by `IsolatedNode` as a process of its own: the agent of a node, until SIGTERM. With `tearDown`, leaves the cluster then. */
import { type ClusterHostOptions, openHost } from '../../../src/index.js';

process.once('message', async ({ options }: { options: ClusterHostOptions }) => {
  try {
    const host = await openHost(options);
    process.once('SIGTERM', async () => {
      // Refused while networks are there.
      const { networks } = await host.refresh();
      if (networks === 0) await host.teardown();
      await host.close();
      process.exit(0);
    });
    process.send?.({});
  } catch (error) {
    process.send?.({ error: String(error) });
  }
});
process.send?.('ready');
