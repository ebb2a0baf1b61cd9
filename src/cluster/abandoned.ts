import { networkTitle } from '../desired/network-state.js';
import { halo } from '../host/context.js';
import type { Repair } from '../reconcile/repair.js';
import { isHeld, isOwn } from '../records/claim.js';
import { type InterfaceRecord, keys, type Lifecycle, type NetworkRecord } from '../records/records.js';
import type { Entry } from '../store/store.js';
import type { Leavings } from './calls.js';
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

/** A change that is not finished: something is coming, or going. */
interface Change {
  /** Different after whatever is written. */
  name: string;
  lifecycle: Lifecycle;
  what: string;
  takeBack: () => Promise<void>;
}

/**
 * Changes that nobody will finish but this process: those that its own calls have given up, and, if it is the node's agent,
 * those that ended processes of the node had begun and, for the network node, those of nodes that have been gone for a
 * while. What was not completely made is removed, as is what was to be removed.
 */
export function abandoned(
  context: ClusterContext,
  { isGone, leavings }: { isGone: (node: string) => boolean; leavings: Leavings },
  isAgent = true,
): Repair[] {
  const { node, role } = context;
  const changes = unfinished(context);
  const isOurs = ({ claim }: Lifecycle) => claim !== undefined && claim.node === node && isOwn(claim);
  const givenUp = leavings.among(changes.filter(({ lifecycle }) => isOurs(lifecycle)).map(({ name }) => name));
  const isLeft = ({ claim }: Lifecycle) => {
    if (claim === undefined) return role === 'network';
    if (claim.node === node) return !isHeld(claim);
    return role === 'network' && isGone(claim.node ?? '');
  };
  return changes
    .filter(({ name, lifecycle }) => givenUp.has(name) || (isAgent && isLeft(lifecycle)))
    .map(({ name, what, takeBack }) => ({
      text: `${what}: remove what is left of it`,
      carryOut: async () => {
        // Those before it in the list may have taken long.
        if (unfinished(context).some((change) => change.name === name)) await takeBack();
      },
    }));
}

function unfinished(context: ClusterContext): Change[] {
  const { store } = context;
  const changes: Change[] = [];
  const note = ({ key, version }: Entry, lifecycle: Lifecycle, what: string, takeBack: () => Promise<void>) => {
    if (lifecycle.state !== 'created') changes.push({ name: `${key} ${version} ${what}`, lifecycle, what, takeBack });
  };
  for (const entry of store.peekList<NetworkRecord>(keys.networks)) {
    const { value: network } = entry;
    note(entry, network, networkTitle(network), () => removeNetwork(context, network.uuid));
    for (const [address, lifecycle] of Object.entries(network.routed)) {
      note(entry, lifecycle, `routed address ${address}`, () => removeRouted(context, network.uuid, address));
    }
  }
  for (const entry of store.peekList<InterfaceRecord>(keys.interfaces)) {
    const { value: nic } = entry;
    note(entry, nic, `interface ${nic.uuid}`, () => removeInterface(context, nic.uuid, halo(context)));
    if (nic.state !== 'created' || nic.floating === undefined) continue;
    const { floating } = nic;
    note(entry, floating, `floating address ${floating.address}`, () => removeFloating(context, nic.uuid));
  }
  return changes;
}
