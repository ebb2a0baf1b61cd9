import { ConflictError } from '../errors.js';
import { transact } from '../store/transaction.js';
import type { Actions } from './actions.js';
import { begin } from './begin.js';
import type { Context } from './context.js';
import { defloat, float } from './floating.js';
import { attach, detach } from './interface-lifecycle.js';
import { createNetwork, removeNetwork } from './network-lifecycle.js';
import { adoptAll, reconcile } from './reconcile.js';
import { keys } from './records.js';
import { readNetworks, requireNoNetworks } from './registry.js';
import { route, unroute } from './routed.js';

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
