import { missingOperations } from '../kernel/ensure/missing.js';
import { Observer } from '../kernel/ensure/observer.js';
import { isForeign } from '../plan/foreign.js';
import { extraneousPeers, meshFilter } from '../plan/mesh-filter.js';
import { throwFirst } from '../util/errors.js';
import type { ClusterContext } from './types.js';

/** Updates the mesh filter: it accepts VXLAN packets only from the VTEPs of the other nodes. */
export async function allowPeers({ kernel, host, peers }: ClusterContext): Promise<void> {
  const wanted = peers();
  const plan = [meshFilter(host, wanted)];
  const actual = await new Observer(kernel).observe(plan);
  const missing = missingOperations(plan, actual, isForeign);
  if (missing.length > 0) await kernel.transaction(missing);
  throwFirst(await kernel.teardown(extraneousPeers(host, wanted, actual.get(host.netns)?.nft ?? [])));
}
