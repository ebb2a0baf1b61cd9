import { CapacityError, KernelError, type NodeError } from '../errors.js';
import type { AddressPool } from '../ipam/pool.js';
import { networkNames } from '../plan/names.js';
import type { Transaction } from '../store/transaction.js';
import { keys, type NetworkRecord, networkPool } from './records.js';

/** Maximum number of ports of a Linux bridge: BR_MAX_PORTS - 1 (net/bridge/br_private.h). */
export const BRIDGE_PORTS = 1023;
/** Ports of an overlay bridge that are not interfaces: `vxlan-…` and `veth-…-o`. */
const OWN_PORTS = 2;

/** What knows the ports of egress bridges. */
export interface EgressOwner {
  readonly floatingOf: (network: { floatingPool?: string | undefined }) => AddressPool;
  readonly host: { readonly egressBridge: { readonly name: string } };
  readonly coordinator: { readonly routers?: { load(network: { router: string }): { title: string; used: number } } };
}

/**
 * Checks that the egress bridge has a free port. Each network with NAT and each floating address uses one.
 * @throws CapacityError
 */
export async function requireEgressPort(
  transaction: Transaction,
  { floatingOf, host, coordinator }: EgressOwner,
  network: { router?: string | undefined; floatingPool?: string | undefined },
): Promise<void> {
  const load = network.router === undefined ? undefined : coordinator.routers?.load({ router: network.router });
  if (load !== undefined) {
    if (load.used >= BRIDGE_PORTS) throw bridgeIsFull(load.title);
    return;
  }
  const floating = floatingOf(network);
  // A floating network with fewer addresses than the bridge has ports cannot fill it, nor can fewer addresses in use.
  if (floating.netblock.size <= BRIDGE_PORTS) return;
  if ((await transaction.count(`${keys.floating}/`)) < BRIDGE_PORTS) return;
  const ports = (await floating.list(transaction)).filter((each) => each.owner && each.use !== 'routed');
  if (ports.length >= BRIDGE_PORTS) throw bridgeIsFull(host.egressBridge.name);
}

/** Checks that the bridge of a network has a free port for an interface. @throws CapacityError */
export async function requireOverlayPort(transaction: Transaction, network: NetworkRecord): Promise<void> {
  const limit = BRIDGE_PORTS - OWN_PORTS;
  if (networkPool(network).netblock.size <= limit) return;
  if ((await transaction.count(keys.members(network.uuid))) >= limit)
    throw bridgeIsFull(networkNames(network.vni).bridge);
}

/**
 * Converts EXFULL of the kernel to a CapacityError; returns other errors unchanged. The kernel reports EXFULL if other
 * software has added ports to the bridge: records do not count those.
 */
export function asCapacityError(error: unknown, bridge: string): unknown {
  return error instanceof KernelError && error.code === 'EXFULL' ? bridgeIsFull(bridge, error) : error;
}

/** Returns the error about a bridge without a free port. */
export function bridgeIsFull(bridge: string, cause?: KernelError | NodeError): CapacityError {
  const text = `the bridge ${bridge} has no free port: a bridge has at most ${BRIDGE_PORTS} ports`;
  return new CapacityError(bridge, BRIDGE_PORTS, text, cause && { cause });
}
