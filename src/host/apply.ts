import { isRouter as hasNamespace } from '../desired/local-node.js';
import { isInside, type Resource } from '../desired/resources.js';
import { missingOperations } from '../kernel/ensure/missing.js';
import { Observer } from '../kernel/ensure/observer.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Operation } from '../kernel/operation.js';
import { isForeign } from '../plan/foreign.js';
import type { InterfaceRecord, NetworkRecord } from '../records/records.js';
import { Errors } from '../util/errors.js';
import { type Context, teardown } from './context.js';

/** Creates the missing objects of a plan. Compares with the kernel first, so repeated calls have no effect. */
export async function applyMissing(
  kernel: Kernel,
  plan: readonly Operation[],
  observer = new Observer(kernel),
): Promise<void> {
  const missing = missingOperations(plan, await observer.observe(plan), isForeign);
  if (missing.length > 0) await kernel.transaction(missing);
}

/**
 * Removes resources of a network from the kernel of this node; on the router, also stops dnsmasq or frees leases. Runs
 * all steps, whatever fails. Objects that do not exist are not errors. Resolves to the errors.
 * @param members interfaces that are removed; their leases are freed
 */
export function removeResources(
  context: Context,
  network: NetworkRecord,
  removal: { resources: readonly Resource[]; members: readonly InterfaceRecord[] },
): Promise<readonly Error[]> {
  return context.pendingRemovals.track({}, () => removeAll(context, network, removal));
}

async function removeAll(
  context: Context,
  network: NetworkRecord,
  { resources, members }: { resources: readonly Resource[]; members: readonly InterfaceRecord[] },
): Promise<readonly Error[]> {
  const { dhcp, localNode } = context;
  const isRouter = hasNamespace(localNode, network);
  const hasNetwork = resources.some(({ kind }) => kind === 'network');
  const plan = [...resources].reverse().flatMap((resource) => {
    const removal = resource.removal();
    // The deletion of the namespace deletes everything in it.
    return hasNetwork && resource.kind !== 'network'
      ? removal.filter((operation) => !isInside(network, operation))
      : removal;
  });
  const errors = new Errors();
  const removeFromKernel = async () => {
    // With few pending removals, the operations mark each link, and the reaper deletes it later. Otherwise they ignore
    // the deleted links.
    if (context.pendingRemovals.isAboveThreshold) {
      const links = resources.flatMap((resource) => resource.links);
      await context.bulkDeletion.delete(links, members.length);
    }
    errors.add(
      ...(await teardown(
        context,
        plan.filter(({ op }) => op !== 'namespace.delete'),
      )),
    );
  };
  const removeFromDhcp = async () => {
    if (!isRouter) return;
    if (hasNetwork) return errors.attempt(() => dhcp.stop(network));
    for (const member of members) await errors.attempt(() => dhcp.release(network, member));
  };
  await Promise.all([removeFromKernel(), removeFromDhcp()]);
  if (isRouter && !hasNetwork) {
    // A request that was on its way may have got a lease meanwhile.
    for (const member of members) await errors.attempt(() => dhcp.releaseLease(network, member));
  }
  // Last: a running dnsmasq keeps the namespace alive, and with it both veth pairs.
  const namespaces = plan.filter(({ op }) => op === 'namespace.delete');
  if (namespaces.length > 0) errors.add(...(await context.kernel.teardown(namespaces)));
  return errors.all;
}
