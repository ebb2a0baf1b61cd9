import { isRouter } from '../desired/local-node.js';
import type { NetworkState } from '../desired/network-state.js';
import { interfaceResource, resourceId } from '../desired/resources.js';
import { KernelError } from '../errors.js';
import type { Operation } from '../kernel/operation.js';
import { deviceName, planActivation } from '../plan/interface.js';
import { forgetLearned } from '../plan/mesh.js';
import { closePort, openPort } from '../plan/slots.js';
import { inactiveOf } from '../records/binding.js';
import type { InterfaceRecord } from '../records/records.js';
import { throwFirst } from '../util/errors.js';
import { handOver, isDueToHandOver, withdraw } from './switch.js';
import type { ClusterContext } from './types.js';

/** Whether frames pass a port. `closing`: no, and the interface is to be handed over. `inactive`: no. */
type Mode = 'open' | 'closing' | 'inactive';

/** What was last applied, as far as ports are concerned. */
export interface AppliedPorts {
  /** Fingerprints of resources, by id. */
  resources: Map<string, string>;
  /** Modes of the ports of this node, by link index. Undefined before the first run. */
  ports: Map<number, Mode> | undefined;
}

/** A port of this node. `nic` has the place of the port. */
type Port = { nic: InterfaceRecord; mode: Mode; index: number };

/**
 * Opens and closes the ports of interfaces that are moved between nodes. A switch changes no link: one element of an
 * nftables set, and one forwarding entry. It comes before all other work of a run, because instances wait for it.
 */
export async function followMigrations(
  context: ClusterContext,
  state: NetworkState,
  applied: AppliedPorts,
): Promise<void> {
  const { ports: before } = applied;
  if (before === undefined) return;
  forgetMoved(context, state, applied);
  const { kernel, host, localNode } = context;
  if (localNode.mesh?.arpSuppression === false) await kernel.teardown(learnedEntries(context, state));
  for (const { nic, mode, index } of portsOf(context, state)) {
    const former = before.get(index);
    const device = deviceName(nic.attachment);
    if (former === 'inactive' && mode === 'open') {
      const activation = planActivation(host, nic);
      if (activation.length > 0) await kernel.transaction(activation);
      throwFirst(await kernel.teardown([openPort(host, device)]));
      const resource = interfaceResource(localNode, state.network, nic);
      if (resource !== undefined && applied.resources.delete(resourceId.binding(nic.uuid)))
        applied.resources.set(resource.id, resource.fingerprint());
    } else if (former === 'closing' && mode === 'open') {
      throwFirst(await kernel.teardown([openPort(host, device)]));
    } else if (former === 'open' && mode === 'closing') {
      await close(context, device);
    }
    before.set(index, mode);
    if (mode === 'closing') await finishSource(context, nic);
  }
}

/** As `followMigrations`, after all resources exist: for the first run, when it is unknown which ports are open. */
export async function settlePorts(context: ClusterContext, state: NetworkState, applied: AppliedPorts): Promise<void> {
  const { kernel, host } = context;
  const ports = portsOf(context, state);
  if (applied.ports === undefined && state.network.hasSlots) {
    // A port that a migration left closed.
    const open = ports.filter(({ mode }) => mode === 'open');
    if (open.length > 0)
      throwFirst(await kernel.teardown(open.map(({ nic }) => openPort(host, deviceName(nic.attachment)))));
    for (const { nic, mode } of ports) {
      if (mode !== 'closing') continue;
      // The plan of the interface may have failed.
      await close(context, deviceName(nic.attachment));
      await finishSource(context, nic);
    }
  }
  applied.ports = new Map(ports.map(({ index, mode }) => [index, mode]));
}

/** Hands an interface over whose port is closed. */
async function finishSource(context: ClusterContext, nic: InterfaceRecord): Promise<void> {
  if (nic.migration === undefined) return;
  if (isDueToHandOver(context, nic)) await handOver(context, nic);
  else await withdraw(context, nic.uuid, nic.migration.id);
}

async function close({ kernel, host }: ClusterContext, device: string): Promise<void> {
  try {
    await kernel.transaction([closePort(host, device)]);
  } catch (error) {
    if (!(error instanceof KernelError && error.code === 'EEXIST')) throw error;
  }
}

/** Returns the ports of this node, without those of pools and those that are being created or removed. */
function portsOf({ node }: ClusterContext, { members }: NetworkState): Port[] {
  return members.flatMap((member): Port[] => {
    if (member.state !== 'created' || member.slot !== undefined) return [];
    const { migration, attachment, lost } = member;
    if (member.node === node) {
      // The link of a lost interface is gone. It can still be handed over.
      if (lost !== undefined && !migration?.isSwitching) return [];
      return [{ nic: member, mode: migration?.isSwitching ? 'closing' : 'open', index: attachment.index }];
    }
    const inactive = migration?.node === node && migration.state !== 'deleting' ? inactiveOf(member) : undefined;
    return inactive === undefined ? [] : [{ nic: inactive, mode: 'inactive', index: inactive.attachment.index }];
  });
}

/**
 * Corrects the last applied resources after this node was the source: the router keeps the neighbour entry of the
 * interface, other nodes keep nothing.
 */
function forgetMoved({ node, localNode }: ClusterContext, { network, members }: NetworkState, applied: AppliedPorts) {
  for (const member of members) {
    const { migration, uuid } = member;
    if (!migration?.isSource || migration.node !== node || !applied.ports?.delete(migration.attachment.index)) continue;
    const resource = isRouter(localNode, network) ? interfaceResource(localNode, network, member) : undefined;
    if (resource === undefined) applied.resources.delete(resourceId.interface(uuid));
    else applied.resources.set(resource.id, resource.fingerprint());
  }
}

/** Plans the deletion of forwarding entries that links have learned from the source. */
const learnedEntries = ({ host, node }: ClusterContext, { network, members }: NetworkState): Operation[] =>
  members.flatMap(({ mac, migration }) =>
    migration?.isSource
      ? forgetLearned(host.netns, mac, {
          vxlan: network.vxlan,
          ports: [network.vxlan, ...(migration.node === node ? [migration.attachment.index] : [])],
        })
      : [],
  );
