import { Observer } from '../kernel/ensure/observer.js';
import { outstanding } from '../kernel/ensure/outstanding.js';
import { extraneousPeers, meshFilter } from '../plan/mesh-filter.js';
import type { ClusterContext } from './types.js';

/** Lets this node receive packets of its networks from those nodes that there are, and from no others. */
export async function admitPeers({ kernel, host, peers }: ClusterContext): Promise<void> {
  const wanted = peers();
  const plan = [meshFilter(host, wanted)];
  const actual = await new Observer(kernel).look(plan);
  const missing = outstanding(plan, actual);
  if (missing.length > 0) await kernel.transaction(missing);
  const [error] = await kernel.teardown(extraneousPeers(host, wanted, actual.get(host.netns)?.nft ?? []));
  if (error !== undefined) throw error;
}
