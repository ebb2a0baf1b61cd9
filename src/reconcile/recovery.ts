import type { RepairResult } from '../api/observation.js';
import { interfaceTitle, isChanging, type NetworkState, networkTitle } from '../desired/network-state.js';
import { type Context, deletionHalo } from '../host/context.js';
import { removeFloating } from '../operations/defloat.js';
import { removeNetwork } from '../operations/delete-network.js';
import { removeInterface } from '../operations/detach.js';
import { removeRouted } from '../operations/unroute.js';
import { isHeld, isOwn } from '../records/claim.js';
import type { IsDue, Lifecycle } from '../records/records.js';
import type { Repair, Repairs } from './repair.js';

/** A change that has not ended: something is being created or removed. */
interface Change {
  network: string;
  interface?: string;
  lifecycle: Lifecycle;
  title: string;
  remove: (options: { isDue: IsDue }) => Promise<void>;
}

/**
 * Recovers changes that nobody will finish: those of processes that have ended, those without an owner, and those that a
 * call of this process began and could not finish. What was not completely created is removed, as is what was to be removed.
 * @param isLeader whether this process works for the whole node, and not for its own calls only. Always, on a lone host
 */
export async function recover(
  context: Context,
  states: Iterable<NetworkState>,
  repairs: Repairs,
  isLeader = true,
): Promise<RepairResult[]> {
  const { locks, calls } = context;
  const changes = [...states].filter(isChanging).flatMap((state) => changesOf(context, state));
  const given = calls.orphans(changes.filter(({ lifecycle }) => isOurs(context, lifecycle)).map(nameOf));
  const interrupted = changes.filter(
    (change) => given.has(nameOf(change)) || (isLeader && isInterrupted(context, change.lifecycle)),
  );
  const results: RepairResult[] = [];
  for (const { network, interface: nic, lifecycle, title, remove } of interrupted) {
    const repair: Repair = {
      action: 'recover',
      description: `${title}: remove what is left of it`,
      ...(nic !== undefined && { interface: nic }),
      // Unless it has changed since. Recoveries before it may have taken long.
      run: () =>
        locks.exclusive(network, () => remove({ isDue: (now) => lifecycleOf(now) === lifecycleOf(lifecycle) })),
    };
    results.push(...(await repairs.run([repair], network)));
  }
  return results;
}

function isOurs({ node }: Context, { claim }: Lifecycle): boolean {
  return claim !== undefined && claim.node === node && isOwn(claim);
}

/** True for a change whose owner is gone, if it is this node's to recover. */
function isInterrupted({ node, coordinator }: Context, { claim }: Lifecycle): boolean {
  if (claim !== undefined && claim.node === node) return !isHeld(claim);
  return coordinator.recovers(claim);
}

const lifecycleOf = ({ state, claim }: Lifecycle): string => JSON.stringify([state, claim]);
const nameOf = ({ network, title, lifecycle }: Change): string => `${network} ${title} ${lifecycleOf(lifecycle)}`;

function changesOf(context: Context, { network, members }: NetworkState): Change[] {
  const { uuid } = network;
  const title = networkTitle(network);
  if (network.state !== 'created') {
    // All it has goes with it.
    const remove: Change['remove'] = (options) => removeNetwork(context, uuid, options);
    return [{ network: uuid, lifecycle: network, title, remove }];
  }
  const routed = Object.entries(network.routed).map(
    ([address, lifecycle]): Change => ({
      ...{ network: uuid, lifecycle, title: `${title}, routed address ${address}` },
      remove: (options) => removeRouted(context, uuid, address, options),
    }),
  );
  const interfaces = members.flatMap((member): Change[] => {
    const about = { network: uuid, interface: member.uuid };
    const what = interfaceTitle(network, member);
    const { floating } = member;
    if (member.state !== 'created' || floating === undefined) {
      const remove: Change['remove'] = (options) =>
        removeInterface(context, member.uuid, { ...options, haloMs: deletionHalo(context) });
      return [{ ...about, lifecycle: member, title: what, remove }];
    }
    const remove: Change['remove'] = (options) => removeFloating(context, member.uuid, options);
    return [{ ...about, lifecycle: floating, title: `${what}, floating address ${floating.address}`, remove }];
  });
  return [...routed, ...interfaces].filter(({ lifecycle }) => lifecycle.state !== 'created');
}
