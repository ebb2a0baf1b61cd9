import type { Operation } from '../kernel/operation.js';
import type { Route } from '../kernel/route.js';
import type { DesiredHost } from './desired.js';
import { addRoute } from './route.js';

/**
 * Routing table with one route for each address of the floating network that this node serves. The kernel does not use the
 * table, unless another program adds a rule. A routing daemon exports it.
 */
export const ANNOUNCED_TABLE = 4789;

const routeTo = ({ egressBridge }: DesiredHost, address: string): Route => ({
  destination: `${address}/32`,
  index: egressBridge.index,
  scope: 'link',
  table: ANNOUNCED_TABLE,
});

/** Lists an address that this node serves (`ip route add <address>/32 dev egr-br-… table 4789`). In clusters only. */
export const announce = (host: DesiredHost, address: string): Operation[] =>
  host.role === 'network' ? [addRoute(host.netns, routeTo(host, address))] : [];

export const withdraw = (host: DesiredHost, address: string): Operation[] =>
  host.role === 'network' ? [{ op: 'route.delete', netns: host.netns, route: routeTo(host, address) }] : [];
