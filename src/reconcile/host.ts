import type { RepairResult } from '../api/types.js';
import type { Context } from '../host/context.js';
import { raiseNeighbourTable } from '../host/neighbour-table.js';
import { missingOperations } from '../kernel/ensure/missing.js';
import { Observer } from '../kernel/ensure/observer.js';
import { isForeign } from '../plan/foreign.js';
import { planHost } from '../plan/host.js';
import { extraneousPeers, MESH_TABLE, NO_PEERS } from '../plan/mesh-filter.js';
import { throwFirst } from '../util/errors.js';
import { describeOperations, keptText, type Repair } from './repair.js';

/** Returns the repair of the host itself: egress bridge, nftables tables, sysctls. Undefined if nothing differs. */
async function hostDrift(context: Context): Promise<Repair | undefined> {
  const { kernel, host, settings } = context;
  const peers = context.peers?.() ?? NO_PEERS;
  const plan = planHost(host, peers);
  const raised =
    settings.neighbourTable === undefined ? [] : await raiseNeighbourTable(kernel, settings.neighbourTable);
  // Most often nothing differs. The elements of the ports of all networks need not be read then.
  if (context.peers === undefined && raised.length === 0) {
    const structure = await new Observer(kernel, { narrow: true }).observe(plan);
    if (missingOperations(plan, structure, isForeign).length === 0) {
      const mesh = await kernel.query('nftables.list', { netns: host.netns, ...MESH_TABLE });
      if (extraneousPeers(host, peers, mesh).length === 0) return undefined;
    }
  }
  const actual = await new Observer(kernel).observe(plan);
  const missing = [...raised, ...missingOperations(plan, actual, isForeign)];
  const extraneous = extraneousPeers(host, peers, actual.get(host.netns)?.nft ?? []);
  if (missing.length + extraneous.length === 0) return undefined;
  return {
    action: 'create',
    description: `host: ${describeOperations([...missing, ...extraneous], plan)}${keptText(missing, actual)}`,
    run: async () => {
      await kernel.transaction(missing);
      throwFirst(await kernel.teardown(extraneous));
    },
  };
}

/**
 * Repairs the host itself. An error is thrown, because networks depend on the egress bridge.
 * @param run runs the repair; if undefined, the repair is only reported
 * @throws KernelError
 */
export async function reconcileHost(
  context: Context,
  run: ((repair: Repair) => Promise<unknown>) | undefined,
): Promise<RepairResult[]> {
  const repair = await hostDrift(context);
  if (run !== undefined) {
    if (repair !== undefined) await run(repair);
    // Deletes links that an ended process has marked for deletion.
    context.reaper.wake();
  }
  return repair === undefined ? [] : [{ action: repair.action, description: repair.description }];
}
