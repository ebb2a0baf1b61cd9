import type { RepairResult } from '../api/types.js';
import { interfaceTitle, isChanging, type NetworkState, networkTitle } from '../desired/network-state.js';
import type { Context } from '../host/context.js';
import { removeFloating } from '../operations/defloat.js';
import { removeNetwork } from '../operations/delete-network.js';
import { removeInterface } from '../operations/detach.js';
import { removeBinding } from '../operations/unbind.js';
import { removeRouted } from '../operations/unroute.js';
import type { IsDue, Lifecycle } from '../records/records.js';
import { isCreatedEarlier, lifecyclesOf, settledState, settleEarlier } from './earlier-boot.js';
import type { Repair, Repairs } from './repair.js';

/** The recovery of an interrupted change. */
export interface Recovery {
  network: string;
  interface?: string;
  description: string;
  /** Must run while no other work of this process changes the network. */
  run: () => Promise<void>;
}

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
  const results: RepairResult[] = [];
  for (const recoveries of interruptedChanges(context, states, isLeader).values()) {
    results.push(
      ...(await runRecoveries(recoveries, repairs, (network, work) => context.locks.exclusive(network, work))),
    );
  }
  return results;
}

/**
 * Returns the recoveries of interrupted changes by network.
 * @param states of all networks (see `Calls.orphans`)
 */
export function interruptedChanges(
  context: Context,
  states: Iterable<NetworkState>,
  isLeader = true,
): Map<string, Recovery[]> {
  const recoveries = new Map<string, Recovery[]>();
  const add = (recovery: Recovery) => {
    recoveries.set(recovery.network, [...(recoveries.get(recovery.network) ?? []), recovery]);
  };
  const changing = [...states].filter(isChanging);
  for (const state of changing.filter((each) => lifecyclesOf(each).some(isCreatedEarlier))) {
    add({
      network: state.network.uuid,
      description: `${networkTitle(state.network)}: complete what was being created when the machine stopped`,
      run: () => settleEarlier(context, state),
    });
  }
  const changes = changing.map(settledState).flatMap((state) => changesOf(context, state));
  const orphaned = context.calls.orphans(changes.filter(({ lifecycle }) => isOurs(context, lifecycle)).map(nameOf));
  for (const change of changes) {
    const { network, interface: nic, title, lifecycle, remove } = change;
    if (!orphaned.has(nameOf(change)) && !(isLeader && isInterrupted(context, lifecycle, network))) continue;
    add({
      network,
      ...(nic !== undefined && { interface: nic }),
      description: `${title}: remove what is left of it`,
      // `isDue`: the change may have ended during the recovery of others.
      run: () => remove({ isDue: (now) => lifecycleOf(now) === lifecycleOf(lifecycle) }),
    });
  }
  return recoveries;
}

/** Runs recoveries one after the other. @param alone runs work while no other work of this process changes the network */
export async function runRecoveries(
  recoveries: readonly Recovery[],
  repairs: Repairs,
  alone: (network: string, work: () => Promise<void>) => Promise<void>,
): Promise<RepairResult[]> {
  const results: RepairResult[] = [];
  for (const { network, interface: nic, description, run } of recoveries) {
    const repair: Repair = {
      action: 'recover',
      description,
      ...(nic !== undefined && { interface: nic }),
      run: () => alone(network, run),
    };
    results.push(...(await repairs.run([repair], network)));
  }
  return results;
}

/** True if this process owns a change. */
function isOurs({ owner }: Context, { claim }: Lifecycle): boolean {
  return claim !== undefined && owner.isOwn(claim);
}

/** True for a change of a network whose owner has ended, if this node is responsible for it. */
export function isInterrupted(
  { node, owner, coordinator }: Context,
  { claim }: Pick<Lifecycle, 'claim'>,
  network: string,
): boolean {
  if (claim !== undefined && claim.node === node) return !owner.isAlive(claim);
  return coordinator.recovers(claim, network);
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
    const { floating, migration } = member;
    if (member.state !== 'created') {
      const remove: Change['remove'] = (options) =>
        removeInterface(context, member.uuid, { ...options, haloMs: context.settings.deletionHalo });
      return [{ ...about, lifecycle: member, title: what, remove }];
    }
    const parts: Change[] = [];
    if (floating !== undefined) {
      const remove: Change['remove'] = (options) => removeFloating(context, member.uuid, options);
      parts.push({ ...about, lifecycle: floating, title: `${what}, floating address ${floating.address}`, remove });
    }
    if (migration !== undefined) {
      const remove: Change['remove'] = (options) => removeBinding(context, member.uuid, options);
      parts.push({ ...about, lifecycle: migration, title: `${what}, binding on ${migration.node}`, remove });
    }
    return parts;
  });
  return [...routed, ...interfaces].filter(({ lifecycle }) => lifecycle.state !== 'created');
}
