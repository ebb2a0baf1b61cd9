import { isHeld } from '../model/claim.js';
import { halo } from '../model/context.js';
import { type InterfaceRecord, keys, type Lifecycle, type NetworkRecord } from '../model/records.js';
import type { Repair } from '../model/repair.js';
import { networkTitle } from '../model/wishes.js';
import { removeFloating, removeInterface, removeNetwork, removeRouted } from './removal.js';
import type { ClusterContext } from './types.js';

/** So long a node has to be gone before others finish what it began, in milliseconds: it may just have lost the store. */
const PATIENCE = 60_000;

/** Remembers since when nodes are not heard of. */
export class Absences {
  readonly #since = new Map<string, number>();

  /** Tells whether a node has been away for long. Asked again and again, it knows; asked once, it knows nothing. */
  isGone(node: string, members: readonly { name: string }[]): boolean {
    if (members.some(({ name }) => name === node)) {
      this.#since.delete(node);
      return false;
    }
    const since = this.#since.get(node) ?? Date.now();
    this.#since.set(node, since);
    return Date.now() - since >= PATIENCE;
  }
}

/**
 * Changes that nobody will finish but this node: those that its own ended processes had begun and, for the network node,
 * those of nodes that have been gone for a while. What was not completely made is removed, as is what was to be removed.
 */
export function abandoned(context: ClusterContext, isGone: (node: string) => boolean): Repair[] {
  const { store, node, role } = context;
  const isOurs = ({ state, claim }: Lifecycle) => {
    if (state === 'created') return false;
    if (claim === undefined) return role === 'network';
    if (claim.node === node) return !isHeld(claim);
    return role === 'network' && isGone(claim.node ?? '');
  };
  const repairs: Repair[] = [];
  const remove = (lifecycle: Lifecycle, what: string, carryOut: () => Promise<void>) => {
    if (isOurs(lifecycle)) repairs.push({ text: `${what}: remove what is left of it`, carryOut });
  };
  for (const { value: network } of store.peekList<NetworkRecord>(keys.networks)) {
    remove(network, networkTitle(network), () => removeNetwork(context, network.uuid));
    for (const [address, lifecycle] of Object.entries(network.routed)) {
      remove(lifecycle, `routed address ${address}`, () => removeRouted(context, network.uuid, address));
    }
  }
  for (const { value: nic } of store.peekList<InterfaceRecord>(keys.interfaces)) {
    remove(nic, `interface ${nic.uuid}`, () => removeInterface(context, nic.uuid, halo(context)));
    if (nic.state !== 'created' || nic.floating === undefined) continue;
    remove(nic.floating, `floating address ${nic.floating.address}`, () => removeFloating(context, nic.uuid));
  }
  return repairs;
}
