import type { LocalNode } from '../desired/local-node.js';
import { DnsmasqSupervisor } from '../dnsmasq/index.js';
import { IndexAllocator } from '../ipam/ifindex.js';
import type { OwnKernel } from '../kernel/own-kernel.js';
import { deleteMarkedLinks, markForDeletion } from '../plan/deletion.js';
import type { MeshPeers } from '../plan/mesh-filter.js';
import type { Owner } from '../records/owner.js';
import { floatingPool } from '../records/records.js';
import type { Store } from '../store/store.js';
import { Locks } from '../util/locks.js';
import { BulkDeletion } from './bulk-deletion.js';
import { Calls } from './calls.js';
import type { Context } from './context.js';
import type { Coordinator } from './coordinator.js';
import { Dhcp } from './dhcp.js';
import type { HostEnvironment } from './environment.js';
import type { Events } from './events.js';
import { FreeSlots } from './free-slots.js';
import { NamespaceUsers } from './namespace-users.js';
import { PendingRemovals } from './pending-removals.js';
import { PoolDemand } from './pool-demand.js';
import { Reaper } from './reaper.js';

/** The parts in which a lone host and a node of a cluster differ. */
export interface HostParts {
  kernel: OwnKernel;
  store: Store;
  events: Events;
  environment: HostEnvironment;
  owner: Owner;
  /** Store that the configuration of dnsmasq is read from. Default: `store`. */
  records?: Store;
  /** Folder of the files of dnsmasq. */
  runtimeRoot: string;
  coordinator: (context: () => Context) => Coordinator;
  /** Only for a node of a cluster. */
  node?: {
    name: string;
    defaultRouter: () => string;
    floatingNetwork: (pool: string) => string | undefined;
    mesh: () => LocalNode['mesh'];
    peers: () => MeshPeers;
  };
}

/** Assembles the context of a lone host or of a node of a cluster. */
export function assembleContext(parts: HostParts): Context {
  const { kernel, store, events, environment, owner, runtimeRoot, node } = parts;
  const { netns, floatingNetwork } = environment.settings;
  const supervisor = new DnsmasqSupervisor(kernel, { root: runtimeRoot, onEvent: events.supervised });
  const pendingRemovals = new PendingRemovals();
  const reaper = new Reaper(
    () => kernel.teardown(deleteMarkedLinks(netns), { lane: 'reaper' }),
    () => pendingRemovals.quiet(),
  );
  const mark = (links: readonly number[]) => kernel.teardown(links.map((index) => markForDeletion(netns, index)));
  const context: Context = {
    ...{ kernel, store, events, environment, owner },
    get settings() {
      return environment.settings;
    },
    get detected() {
      return environment.detected;
    },
    get host() {
      return environment.host;
    },
    get localNode(): LocalNode {
      const { host, detected } = environment;
      return {
        ...{ host, underlay: detected.underlay, name: node?.name, defaultRouter: node?.defaultRouter?.() },
        mesh: node?.mesh(),
      };
    },
    indexes: new IndexAllocator(store),
    locks: new Locks(),
    reaper,
    dhcp: new Dhcp(supervisor, parts.records ?? store, () => environment.settings),
    floatingOf: ({ floatingPool: pool }) => {
      const network = pool === undefined ? undefined : node?.floatingNetwork(pool);
      return floatingPool(network ?? floatingNetwork, pool);
    },
    pendingRemovals,
    bulkDeletion: new BulkDeletion(mark, { reaper, pendingRemovals }),
    calls: new Calls(),
    freeSlots: new FreeSlots(store),
    demand: new PoolDemand({ isShared: node !== undefined }),
    namespaceUsers: new NamespaceUsers(kernel),
    coordinator: parts.coordinator(() => context),
    ...(node && { node: node.name, peers: node.peers }),
  };
  return context;
}
