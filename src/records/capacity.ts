import { CapacityError, KernelError } from '../errors.js';
import type { AddressPool } from '../ipam/pool.js';
import type { DesiredHost } from '../plan/desired.js';
import { networkNames } from '../plan/names.js';
import type { Transaction } from '../store/transaction.js';
import { keys, type NetworkRecord, networkPool } from './records.js';

/** Ports that a bridge of the kernel takes. */
export const BRIDGE_PORTS = 1023;
/** Of an overlay bridge: `vxlan-…` and `veth-…-o`. */
const OWN_PORTS = 2;

/** @throws CapacityError if the egress bridge has a port for every network and floating address that it takes */
export async function requireEgressPort(
  transaction: Transaction,
  { floating, host }: { readonly floating: AddressPool; readonly host: Pick<DesiredHost, 'egressBridge'> },
): Promise<void> {
  // A floating network that has no more addresses than the bridge has ports needs no count.
  if (floating.netblock.size <= BRIDGE_PORTS) return;
  const ports = (await floating.list(transaction)).filter((each) => each.owner && each.use !== 'routed');
  if (ports.length >= BRIDGE_PORTS) throw bridgeIsFull(host.egressBridge.name);
}

/** @throws CapacityError if the network has as many interfaces as its bridge takes */
export async function requireOverlayPort(transaction: Transaction, network: NetworkRecord): Promise<void> {
  const limit = BRIDGE_PORTS - OWN_PORTS;
  if (networkPool(network).netblock.size <= limit) return;
  if ((await transaction.count(keys.members(network.uuid))) >= limit)
    throw bridgeIsFull(networkNames(network.vni).bridge);
}

/** What the kernel says if others have put ports into a bridge of ours: of those, it alone knows. */
export function asCapacityError(error: unknown, bridge: string): unknown {
  return error instanceof KernelError && error.code === 'EXFULL' ? bridgeIsFull(bridge, error) : error;
}

function bridgeIsFull(bridge: string, cause?: KernelError): CapacityError {
  const text = `the bridge ${bridge} has no port left: a bridge takes ${BRIDGE_PORTS}`;
  return new CapacityError(bridge, BRIDGE_PORTS, text, cause && { cause });
}
