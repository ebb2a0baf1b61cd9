import type { RepairResult } from '../api/observation.js';
import { interfaceTitle, isChanging, type NetworkState, networkTitle } from '../desired/network-state.js';
import type { Context } from '../host/context.js';
import { removeFloating } from '../operations/defloat.js';
import { removeNetwork } from '../operations/delete-network.js';
import { removeInterface } from '../operations/detach.js';
import { removeRouted } from '../operations/unroute.js';
import type { IsDue, Lifecycle } from '../records/records.js';
import { isCreatedEarlier, lifecyclesOf, settleEarlier } from './earlier-boot.js';
import type { Repair, Repairs } from './repair.js';

/** An unfinished change: a resource that is being created or removed. */
interface Change {
  network: string;
  interface?: string;
  lifecycle: Lifecycle;
  title: string;
  remove: (options: { isDue: IsDue }) => Promise<void>;
}

/**
 * Recovers interrupted changes: those of processes that have ended, those without a claim, and those of calls of this
 * process that ended without finishing them. Resources that were being created or removed are removed, apart from those
 * that were being created before the last boot (`settleEarlier`).
 * @param isLeader false: recovers only the changes of this process. On a lone host always true
 */
export async function recover(
  context: Context,
  states: Iterable<NetworkState>,
  repairs: Repairs,
  isLeader = true,
): Promise<RepairResult[]> {
  const { locks, calls, coordinator } = context;
  const changing: NetworkState[] = [];
  const results: RepairResult[] = [];
  for (const state of [...states].filter(isChanging)) {
    const { network } = state;
    if (!lifecyclesOf(state).some(isCreatedEarlier)) {
      changing.push(state);
      continue;
    }
    const repair: Repair = {
      action: 'recover',
      description: `${networkTitle(network)}: complete what was being created when the machine stopped`,
      run: () => locks.exclusive(network.uuid, () => settleEarlier(context, state)),
    };
    results.push(...(await repairs.run([repair], network.uuid)));
    changing.push((await coordinator.states.get(network.uuid)) ?? state);
  }
  const changes = changing
    .flatMap((state) => changesOf(context, state))
    .filter(({ lifecycle }) => !isCreatedEarlier(lifecycle));
  const orphaned = calls.orphans(changes.filter(({ lifecycle }) => isOurs(context, lifecycle)).map(nameOf));
  const interrupted = changes.filter(
    (change) => orphaned.has(nameOf(change)) || (isLeader && isInterrupted(context, change.lifecycle)),
  );
  for (const { network, interface: nic, lifecycle, title, remove } of interrupted) {
    const repair: Repair = {
      action: 'recover',
      description: `${title}: remove what is left of it`,
      ...(nic !== undefined && { interface: nic }),
      // `isDue`: the change may have ended during the recovery of others.
      run: () =>
        locks.exclusive(network, () => remove({ isDue: (now) => lifecycleOf(now) === lifecycleOf(lifecycle) })),
    };
    results.push(...(await repairs.run([repair], network)));
  }
  return results;
}

/** True if this process owns a change. */
function isOurs({ owner }: Context, { claim }: Lifecycle): boolean {
  return claim !== undefined && owner.isOwn(claim);
}

/** True for a change whose owner has ended, if this node is responsible for it. */
function isInterrupted({ node, owner, coordinator }: Context, { claim }: Lifecycle): boolean {
  if (claim !== undefined && claim.node === node) return !owner.isAlive(claim);
  return coordinator.recovers(claim);
}

const lifecycleOf = ({ state, claim }: Lifecycle): string => JSON.stringify([state, claim]);
const nameOf = ({ network, title, lifecycle }: Change): string => `${network} ${title} ${lifecycleOf(lifecycle)}`;

/** Returns the unfinished changes of a network. */
function changesOf(context: Context, { network, members }: NetworkState): Change[] {
  const { uuid } = network;
  const title = networkTitle(network);
  if (network.state !== 'created') {
    // The removal of the network includes its interfaces and addresses.
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
        removeInterface(context, member.uuid, { ...options, haloMs: context.settings.deletionHalo });
      return [{ ...about, lifecycle: member, title: what, remove }];
    }
    const remove: Change['remove'] = (options) => removeFloating(context, member.uuid, options);
    return [{ ...about, lifecycle: floating, title: `${what}, floating address ${floating.address}`, remove }];
  });
  return [...routed, ...interfaces].filter(({ lifecycle }) => lifecycle.state !== 'created');
}
