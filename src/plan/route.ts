import type { NamespaceRef } from '../kernel/namespace.js';
import type { Operation } from '../kernel/operation.js';
import type { Route } from '../kernel/route.js';

/** Plans a route with the protocol `boot`, as `ip route add` does. `ip route` does not show this protocol. */
export function addRoute(netns: NamespaceRef | undefined, route: Route): Operation {
  return { op: 'route.add', netns, route: { ...route, protocol: 'boot' } };
}
