import { createServer, type Server } from 'node:http';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { addPoolMetrics } from '../api/metrics.js';
import type { Host } from '../api/types.js';
import type { Node } from '../cluster/node.js';
import type { ClusterStore } from '../store/etcd/cluster-store.js';
import { bind } from './listen.js';

/** The parts of a running agent that are observed. They exist once the node is open. */
export interface Observed {
  host: Host;
  node: Node;
  store: ClusterStore;
}

const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Metrics in the Prometheus text format. */
export class Metrics {
  readonly registry = new Registry();
  readonly reconciled = new Histogram({
    name: 'vethwork_reconcile_seconds',
    help: 'Duration of the reconciliation of one network on this node, in seconds',
    buckets: BUCKETS,
    registers: [this.registry],
  });
  readonly failures = new Counter({
    name: 'vethwork_reconcile_failures_total',
    help: 'Reconciliations of a network that failed, wholly or in part',
    registers: [this.registry],
  });
  readonly repairs = new Counter({
    name: 'vethwork_repairs_total',
    help: 'Differences between the kernel and the store that were repaired',
    registers: [this.registry],
  });

  /** @param observed undefined while the node is not open */
  constructor(observed: () => Observed | undefined) {
    collectDefaultMetrics({ register: this.registry });
    const gauge = (name: string, help: string, value: (observed: Observed) => number) =>
      new Gauge({
        name: `vethwork_${name}`,
        help,
        registers: [this.registry],
        collect() {
          const all = observed();
          this.set(all === undefined ? 0 : value(all));
        },
      });
    addPoolMetrics([this.registry], async () => {
      const all = observed();
      const node = all?.host.info.node;
      return (await all?.host.listPools().catch(() => []))?.filter((pool) => pool.node === node) ?? [];
    });
    gauge('agent_active', '1 if this process is the leader of its node and changes the kernel', ({ node }) =>
      Number(node.isLeader),
    );
    gauge('store_reachable', '1 if the store can be reached', ({ store }) => Number(store.outdatedSince === undefined));
    gauge(
      'store_age_seconds',
      'Time since the last contact with the store, in seconds; 0 while it is reachable',
      ({ store }) => (store.outdatedSince === undefined ? 0 : (Date.now() - store.outdatedSince.getTime()) / 1000),
    );
    gauge(
      'store_revision',
      'Revision of the last commit that this process has received',
      ({ store }) => store.revision,
    );
    gauge('networks', 'Networks that exist on this node', ({ node }) => node.controller.networks().length);
    const own = ({ host, node }: Observed) => node.describe().nodes?.find(({ name }) => name === host.info.node);
    gauge('routed_networks', 'Networks that this node routes', (all) => own(all)?.networks ?? 0);
    gauge('egress_ports', 'Used ports of the egress bridge', (all) => own(all)?.egressPorts?.used ?? 0);
    gauge('cordoned', '1 if this node gets no further networks', (all) => Number(own(all)?.cordoned ?? false));
    gauge('backlog', 'Networks that are queued or being reconciled', ({ node }) => node.controller.backlog);
    gauge('failing', 'Networks whose last reconciliation failed', ({ node }) => node.controller.failing);
    gauge('members', 'Nodes whose agents are alive', ({ node }) => node.members.length);
  }
}

/**
 * Serves /healthz and /metrics.
 * @throws ValidationError, ConflictError on the option `listen`
 */
export async function serve(listen: string, metrics: Metrics, observed: () => Observed | undefined): Promise<Server> {
  const server = createServer(async (request, response) => {
    const path = request.url?.split('?')[0];
    if (path === '/metrics') {
      response.setHeader('Content-Type', metrics.registry.contentType);
      response.end(await metrics.registry.metrics());
    } else if (path === '/healthz') {
      const health = healthOf(observed());
      response.writeHead(health.status === 'ok' ? 200 : 503, { 'Content-Type': 'application/json' });
      response.end(`${JSON.stringify(health)}\n`);
    } else {
      response.writeHead(404);
      response.end();
    }
  });
  await bind(server, listen);
  return server;
}

function healthOf(observed: Observed | undefined) {
  if (observed === undefined) return { status: 'starting' };
  const { node, store } = observed;
  const { failing, backlog } = node.controller;
  const isReachable = store.outdatedSince === undefined;
  const { blocked } = node;
  const isHealthy = failing === 0 && store.damaged.length === 0;
  return {
    status: !isReachable ? 'store unreachable' : blocked !== undefined ? 'store suspect' : isHealthy ? 'ok' : 'failing',
    active: node.isLeader,
    revision: store.revision,
    ...{ backlog, failing },
    ...(blocked !== undefined && { blocked }),
    ...(store.damaged.length > 0 && { damaged: store.damaged }),
    ...(store.outdatedSince && { asOf: store.outdatedSince.toISOString() }),
  };
}
