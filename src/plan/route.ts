import type { NamespaceRef } from '../kernel/namespace.js';
import type { Operation } from '../kernel/operation.js';
import type { Route } from '../kernel/route.js';

/** A route as `ip route add` makes it, so that `ip route` shows it without a protocol. */
export function addRoute(netns: NamespaceRef | undefined, route: Route): Operation {
  return { op: 'route.add', netns, route: { ...route, protocol: 'boot' } };
}
