import type { Kernel } from '../kernel/kernel.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import { isDefaultRoute, routeFamily } from '../kernel/route.js';

/** Two routes with these destinations replace a default route. */
const HALVES = new Set(['0.0.0.0/1', '128.0.0.0/1']);

/**
 * Returns a text if the host has no default route in any table (`ip route show table all default`): instances and
 * floating addresses then reach only the subnets of the host. Undefined otherwise.
 */
export async function missingWayOut(
  kernel: Pick<Kernel, 'query'>,
  netns: NamespaceRef | undefined,
): Promise<string | undefined> {
  const routes = await kernel.query('route.list', { netns });
  const isOut = routes
    .filter((route) => isDefaultRoute(route) || HALVES.has(route.destination))
    .some((route) => routeFamily(route) === 'inet' && (route.type ?? 'unicast') === 'unicast');
  return isOut ? undefined : 'the host has no default route: instances and floating addresses reach only its subnets';
}

/** Text for a host without outbound NAT. Whether a router outside has the route cannot be seen from here. */
export const neededRoute = (floatingNetwork: string, egressNic: string): string =>
  `the floating network ${floatingNetwork} is not masqueraded: replies from outside need a route to it by the address of ` +
  `${egressNic}, on the routers there; this was not checked`;
