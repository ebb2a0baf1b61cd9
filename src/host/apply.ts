import { isInside, type Resource } from '../desired/resources.js';
import { missingOperations } from '../kernel/ensure/missing.js';
import { Observer } from '../kernel/ensure/observer.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Operation } from '../kernel/operation.js';
import { markForDeletion } from '../plan/deletion.js';
import type { InterfaceRecord, NetworkRecord } from '../records/records.js';
import { Errors } from '../util/errors.js';
import { type Context, teardown } from './context.js';

/** Creates what is missing of a plan. Looks first, so that it may be applied again and again. */
export async function applyMissing(kernel: Kernel, plan: readonly Operation[]): Promise<void> {
  const missing = missingOperations(plan, await new Observer(kernel).observe(plan));
  if (missing.length > 0) await kernel.transaction(missing);
}

/**
 * Removes resources of a network from this node: its kernel and, with the network or an interface, its dnsmasq. All steps
 * are tried. What does not exist is no error. Resolves to the errors met.
 * @param members interfaces that are removed, whose leases are freed
 */
export async function removeResources(
  context: Context,
  network: NetworkRecord,
  { resources, members }: { resources: readonly Resource[]; members: readonly InterfaceRecord[] },
): Promise<readonly Error[]> {
  const { dhcp, localNode } = context;
  const isRouter = localNode.name === localNode.router;
  const hasNetwork = resources.some(({ kind }) => kind === 'network');
  const errors = new Errors();
  // First, because dnsmasq would keep the namespace alive, and with it both veth pairs.
  if (hasNetwork && isRouter) await errors.attempt(() => dhcp.stop(network));
  await deleteTogether(
    context,
    resources.flatMap(({ links }) => links),
  );
  const plan = [...resources].reverse().flatMap((resource) => {
    const removal = resource.removal();
    // What is inside the namespace goes with it.
    return hasNetwork && resource.kind !== 'network'
      ? removal.filter((operation) => !isInside(network, operation))
      : removal;
  });
  errors.add(...(await teardown(context, plan)));
  if (isRouter && !hasNetwork) {
    for (const member of members) await errors.attempt(() => dhcp.release(network, member));
  }
  return errors.all;
}

/**
 * Deletes many links in one message. The removals that follow find them gone, and do what this could not. With few links
 * it does nothing: they are taken out of service one by one, and deleted later.
 */
async function deleteTogether(context: Context, links: readonly number[]): Promise<void> {
  const { kernel, reaper, pendingRemovals, host } = context;
  if (!pendingRemovals.areMany) return;
  await kernel.teardown(links.map((index) => markForDeletion(host.netns, index)));
  await reaper.sweep();
}
