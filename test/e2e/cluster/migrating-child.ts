/** A process that makes one call of a migration, and is killed meanwhile. */
import { type ClusterHostOptions, openHost } from '../../../src/index.js';

export interface Order {
  options: ClusterHostOptions;
  uuid: string;
  /** Prepares the migration to this node; switches the present one by default. */
  to?: string;
}

process.once('message', async ({ options, uuid, to }: Order) => {
  const host = await openHost(options);
  const nic = await host.getInterface(uuid);
  process.once('message', async () => {
    if (to !== undefined) await nic.migrate({ to });
    else await (await nic.migration())?.switch();
    process.exit();
  });
  process.send?.('open');
});
process.send?.('ready');
