import { randomUUID } from 'node:crypto';
import type { MigrateRequest } from '../api/options.js';
import { resourceId } from '../desired/resources.js';
import { ConflictError, NodeError, ValidationError } from '../errors.js';
import { asCall, type Context } from '../host/context.js';
import type { DesiredAttachment } from '../plan/desired.js';
import { deviceName, tapOptions } from '../plan/interface.js';
import { networkNames } from '../plan/names.js';
import { reserveBinding } from '../records/binding.js';
import { bridgeIsFull, requireOverlayPort } from '../records/capacity.js';
import { interfaceOf, liveNetworkOf, readInterface } from '../records/queries.js';
import { type InterfaceRecord, keys, type NetworkRecord } from '../records/records.js';
import { type Transaction, transact } from '../store/transaction.js';
import { defined } from '../util/defined.js';
import { freeMetric } from './attach.js';
import { requireInstanceNamespace } from './attach-rules.js';
import { applyAndSettle } from './creation.js';
import { asDeletion } from './deletion.js';
import { retryTakenIndexes } from './retry-indexes.js';
import { removeBinding } from './unbind.js';

/**
 * Prepares the migration of an interface: the target has its link with a closed port, and all nodes know that the target
 * takes part in the network. Resolves to the record with the binding.
 * @throws NotFoundError for the node, ValidationError, ConflictError, CapacityError, NodeError
 */
export function prepareMigration(
  context: Context,
  { uuid, network }: Pick<InterfaceRecord, 'uuid' | 'network'>,
  request: MigrateRequest,
): Promise<InterfaceRecord> {
  const { locks } = context;
  const work = () => retryTakenIndexes(() => prepareOnce(context, uuid, request));
  return asCall(context, async () => {
    if (context.node === undefined) throw new ConflictError('a migration needs a cluster, and this is a lone host');
    return locks.shared(network, () => locks.exclusive(uuid, work), request.signal);
  });
}

async function prepareOnce(context: Context, uuid: string, request: MigrateRequest): Promise<InterfaceRecord> {
  const { signal, to } = request;
  signal?.throwIfAborted();
  const chosen = await chooseBinding(context, await readInterface(context, uuid), request);
  const { result, revision } = await context.coordinator.commit((transaction) =>
    reserve(transaction, context, uuid, { to, attachment: chosen }),
  );
  const { network, nic } = result;
  const creation = {
    ...{ network, revision, resources: [], nodes: [to], isEverywhere: true, signal },
    ids: [resourceId.network, resourceId.slots, resourceId.binding(uuid)],
  };
  try {
    return await applyAndSettle(context, creation, {
      settle: () => settle(context, uuid, String(nic.migration?.id)),
      undo: (applied) => removeBinding(context, uuid, { own: { network, nic }, ...applied }),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    const bridge = networkNames(network.vni).bridge;
    throw await asDeletion(context, network.uuid, isFull(error) ? bridgeIsFull(bridge, error) : error);
  }
}

/** True if the bridge of the target has no free port, because other software has added ports. */
const isFull = (error: unknown): error is NodeError => error instanceof NodeError && error.code === 'EXFULL';

/**
 * Chooses the attachment on the target: as on the source, unless the request has another one.
 * @throws ValidationError if the container on the target is not given, or cannot be used
 */
async function chooseBinding(
  context: Context,
  { attachment: source, order }: InterfaceRecord,
  { to, tap, owner, multiQueue, netns, name, configure }: MigrateRequest,
): Promise<DesiredAttachment> {
  const { indexes } = context;
  const wanted = tap ?? (source.kind === 'tap' && netns === undefined ? source.name : undefined);
  if (wanted !== undefined) {
    const [index] = (await indexes.take(1)) as [number];
    const former = source.kind === 'tap' ? source : {};
    return { kind: 'tap', name: wanted, index, ...tapOptions({ ...former, ...defined({ owner, multiQueue }) }) };
  }
  if (netns === undefined) {
    const [field, expected] =
      source.kind === 'veth'
        ? ['netns', `the namespace of the container on node ${to}, or a tap`]
        : ['tap', `the name of a tap on node ${to}, or a namespace: a device of the host cannot be moved`];
    throw new ValidationError(field as string, undefined, expected as string);
  }
  const [index, innerIndex] = (await indexes.take(2)) as [number, number];
  const former = source.kind === 'veth' ? source : { innerName: 'eth0', configure: false };
  const innerName = name ?? former.innerName;
  const chosen = {
    kind: 'veth',
    index,
    innerIndex,
    netns,
    innerName,
    configure: configure ?? former.configure,
  } as const;
  // On another node, its agent checks the namespace.
  return to === context.node ? identify(context, chosen, order) : chosen;
}

/**
 * Checks the namespace of a container on this node, and adds its identity and the metric of the default route.
 * @throws ValidationError
 */
export async function identify(
  context: Context,
  attachment: Extract<DesiredAttachment, { kind: 'veth' }>,
  order: number,
): Promise<DesiredAttachment> {
  const { netns, configure } = attachment;
  const { identity, routes } = await requireInstanceNamespace(context, netns, { withRoutes: configure });
  const metric = configure ? freeMetric(routes, order) : undefined;
  return { ...attachment, identity, ...(metric !== undefined && { metric }) };
}

/** Reserves the binding. @throws NotFoundError, ConflictError, CapacityError */
async function reserve(
  transaction: Transaction,
  { coordinator, owner }: Context,
  uuid: string,
  { to, attachment }: { to: string; attachment: DesiredAttachment },
): Promise<{ network: NetworkRecord; nic: InterfaceRecord }> {
  const present = await interfaceOf(transaction, uuid);
  const network = await liveNetworkOf(transaction, present.network);
  const { mtu } = await coordinator.requireNode(transaction, to);
  refuseUnlessMovable(present, to);
  if (network.mtu > mtu) {
    throw new ConflictError(`network ${network.uuid} has an MTU of ${network.mtu}; node ${to} allows at most ${mtu}`);
  }
  const device = deviceName(attachment);
  if ((await transaction.get(keys.device(device, to))) !== undefined) {
    throw new ConflictError(`${device} is attached on node ${to} already`);
  }
  await requireOverlayPort(transaction, network);
  const nic: InterfaceRecord = {
    ...present,
    migration: { id: randomUUID(), node: to, attachment, state: 'initial', claim: owner.claim() },
  };
  await reserveBinding(transaction, nic);
  transaction.put(keys.interface(uuid), nic);
  // The agents of all nodes of the network create the table of closed ports.
  const prepared: NetworkRecord = { ...network, hasSlots: true };
  if (!network.hasSlots) transaction.put(keys.network(network.uuid), prepared);
  return { network: prepared, nic };
}

/** @throws ConflictError */
function refuseUnlessMovable({ uuid, node, state, lost, slot, migration }: InterfaceRecord, to: string): void {
  const refuse = (text: string) => new ConflictError(`interface ${uuid} ${text}`);
  if (state !== 'created') throw refuse(`is in state ${state}`);
  if (node === to) throw refuse(`is on node ${to} already`);
  if (migration !== undefined) {
    throw refuse(
      migration.isSource
        ? `has just been migrated from node ${migration.node}, where it is being removed`
        : `is being migrated to node ${migration.node} already`,
    );
  }
  if (lost !== undefined) throw refuse(`is lost: ${lost}`);
  if (slot !== undefined) throw refuse(`belongs to pool ${slot.pool} of its node: slots are not migrated`);
}

/** Sets the state of the binding to `created`. @throws ConflictError if the migration was aborted meanwhile */
function settle({ store }: Context, uuid: string, id: string): Promise<InterfaceRecord> {
  return transact(store, async (transaction) => {
    const nic = await interfaceOf(transaction, uuid);
    await liveNetworkOf(transaction, nic.network);
    if (nic.migration?.id !== id || nic.migration.state === 'deleting' || nic.state !== 'created')
      throw new ConflictError(`the migration of interface ${uuid} was aborted`);
    const { claim: _, ...binding } = nic.migration;
    const prepared: InterfaceRecord = { ...nic, migration: { ...binding, state: 'created' } };
    transaction.put(keys.interface(uuid), prepared);
    return prepared;
  });
}
