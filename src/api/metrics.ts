import { Counter, Gauge, type Registry } from 'prom-client';
import type { Host, PoolSummary } from './types.js';

/** Type of a metric, its name without the prefix `vethwork_`, its help, and its value. */
type PoolMetric = readonly [kind: typeof Gauge | typeof Counter, name: string, help: string, value: keyof PoolSummary];

const POOL_METRICS: readonly PoolMetric[] = [
  [Gauge, 'pool_free_slots', 'Free slots', 'free'],
  [Gauge, 'pool_claimed_slots', 'Claimed slots', 'claimed'],
  [Gauge, 'pool_min_slots', 'Free slots to keep at least', 'min'],
  [Gauge, 'pool_max_slots', 'Free slots to keep at most', 'max'],
  [Counter, 'pool_hits_total', 'Claims that found a free slot, of all processes', 'hits'],
  [Counter, 'pool_misses_total', 'Claims that found no free slot, of all processes', 'misses'],
  [Counter, 'pool_refills_total', 'Refills, of all processes', 'refills'],
  [Counter, 'pool_refilled_slots_total', 'Slots that refills have created', 'refilled'],
  [Counter, 'pool_refill_seconds_total', 'Duration of all refills, in seconds', 'refillSeconds'],
];
const LABELS = ['pool', 'name', 'network', 'kind', 'node'] as const;

/** Adds the metrics of pools to a registry. @param read called at each collection */
export function addPoolMetrics(registers: readonly [Registry], read: () => Promise<readonly PoolSummary[]>): void {
  const shared = sharedOf(read);
  for (const [kind, name, help, value] of POOL_METRICS) {
    new kind({
      ...{ name: `vethwork_${name}`, help, labelNames: LABELS, registers: [...registers] },
      async collect() {
        this.reset();
        for (const pool of await shared()) {
          const { uuid, network, node = '' } = pool;
          this.inc({ pool: uuid, name: pool.name, network, kind: pool.kind, node }, Number(pool[value]));
        }
      },
    });
  }
}

/** All metrics of one collection share one reading. */
function sharedOf<Value>(read: () => Promise<Value>): () => Promise<Value> {
  let reading: Promise<Value> | undefined;
  return () => {
    reading ??= read().finally(() => {
      reading = undefined;
    });
    return reading;
  };
}

/** The metrics of a host in the Prometheus text format (version 0.0.4). */
export async function hostMetrics(
  registry: Registry,
  host: Pick<Host, 'listNetworks' | 'listInterfaces' | 'listPools'>,
) {
  const registers = [registry];
  const [networks, interfaces] = await Promise.all([host.listNetworks(), host.listInterfaces()]);
  const states = new Map<string, number>();
  for (const { state } of interfaces) states.set(state, (states.get(state) ?? 0) + 1);
  new Gauge({ name: 'vethwork_networks', help: 'Networks', registers }).set(networks.length);
  const gauge = new Gauge({ name: 'vethwork_interfaces', help: 'Interfaces', labelNames: ['state'], registers });
  for (const [state, count] of states) gauge.set({ state }, count);
  addPoolMetrics([registry], () => host.listPools());
  return registry.metrics();
}
