import { desiredState } from '../desired/desired-state.js';
import type { NetworkState } from '../desired/network-state.js';
import { portNames } from '../desired/resources.js';
import type { Context } from '../host/context.js';
import type { Operation } from '../kernel/operation.js';
import { networkNames } from '../plan/names.js';
import { isOn } from '../records/binding.js';

/** The part of a network's plan that is in nftables sets of the host, and the records of this node. */
export interface HostElements {
  state: NetworkState;
  /** The nftables batches in the namespace of the host. */
  batches: readonly Operation[];
}

/** Returns the records without the interfaces of other nodes. */
export const localState = ({ node }: Context, state: NetworkState): NetworkState => ({
  ...state,
  members: state.members.filter((member) => isOn(member, node)),
});

/** Returns the names of the ports of a network that nftables elements may refer to. */
export const portsOf = ({ network, members }: NetworkState): string[] => [
  networkNames(network.vni).bridge,
  ...portNames(members),
];

/** Returns the nftables batches of a plan in the namespace of the host. */
export const batchesOfHost = ({ host }: Context, plan: readonly Operation[]): Operation[] =>
  plan.filter((each) => each.op === 'nftables.batch' && each.netns === host.netns);

/** Returns the nftables batches of a network in the namespace of the host. */
export function planBatches(context: Context, state: NetworkState): Operation[] {
  const resources = desiredState(context.localNode, state)?.resources ?? [];
  // The sets of floating addresses are in the namespace of the network.
  return batchesOfHost(
    context,
    resources.flatMap((resource) => (resource.kind === 'floating' ? [] : resource.plan())),
  );
}
