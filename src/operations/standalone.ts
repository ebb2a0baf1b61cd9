import { ConflictError } from '../errors.js';
import type { Context } from '../host/context.js';
import { adoptAll, reconcile } from '../reconcile/reconcile.js';
import { begin } from '../records/migration.js';
import { readNetworks, requireNoNetworks } from '../records/queries.js';
import { keys } from '../records/records.js';
import { transact } from '../store/transaction.js';
import type { Actions } from './actions.js';
import { attach, detach } from './attach.js';
import { createNetwork, removeNetwork } from './create-network.js';
import { defloat, float } from './float.js';
import { route, unroute } from './route.js';

/** What one machine does by itself: the caller's process does all of it. */
export function localActions(context: () => Context): Actions {
  const stopping = new AbortController();
  let adoption: Promise<void> = Promise.resolve();
  return {
    createNetwork: (options) => createNetwork(context(), options),
    deleteNetwork: (uuid) => context().locks.exclusive(uuid, () => removeNetwork(context(), uuid)),
    attach: (network, options, isOnly) => attach(context(), network, options, isOnly),
    detach: (nic) => detach(context(), nic),
    float: (nic, wanted) => float(context(), nic, wanted),
    defloat: (nic) => defloat(context(), nic),
    route: (network, wanted) => route(context(), network, wanted),
    unroute: (network, address) => unroute(context(), network, address),
    ping: (netns, address, timeout) => context().kernel.ping(address, { netns, timeout }),
    reconcile: (request) => reconcile(context(), request),
    acceptStore: async () => {
      throw new ConflictError(
        'the state of this host is in a folder of its own: only the store of a cluster is accepted',
      );
    },
    namespaces: async () => (await readNetworks(context())).map(({ uuid }) => uuid),
    describe: () => ({}),
    asOf: () => undefined,
    tearDown: async (remove) => {
      const { store } = context();
      await begin(store, requireNoNetworks);
      await remove();
      await transact(store, async (transaction) => transaction.delete(keys.host));
    },
    start: () => {
      if (context().settings.repair) adoption = adoptAll(context(), stopping.signal);
    },
    stop: () => {
      stopping.abort();
      return adoption;
    },
  };
}
