import { randomUUID } from 'node:crypto';
import { type AttachCommonRequest, type AttachRequest, parseAttachOptions } from '../api/options.js';
import type { AttachOptions } from '../api/types.js';
import { interfaceResource, resourceId } from '../desired/resources.js';
import { ConflictError, ValidationError } from '../errors.js';
import { asCall, type Context } from '../host/context.js';
import { findLink } from '../host/detect.js';
import { deviceAttachment } from '../host/device.js';
import { randomMac } from '../ipam/mac.js';
import type { Netblock } from '../ipam/netblock.js';
import type { Kernel } from '../kernel/kernel.js';
import { isDefaultRoute, MAIN_TABLE, type Route, routeFamily } from '../kernel/route.js';
import type { DesiredAttachment } from '../plan/desired.js';
import { containerNamespace, deviceName, tapOptions } from '../plan/interface.js';
import { networkNames } from '../plan/names.js';
import { asCapacityError, requireOverlayPort } from '../records/capacity.js';
import { createInterface, requireFreeHostname, sharedAddresses } from '../records/members.js';
import { placeOf } from '../records/names.js';
import { indexFreeSlot, livePoolOf } from '../records/pools.js';
import { interfaceOf, liveNetworkOf } from '../records/queries.js';
import { type InterfaceRecord, keys, type NetworkRecord, networkPool, type Slot } from '../records/records.js';
import { type Transaction, transact } from '../store/transaction.js';
import { attachLimit } from './attach-limit.js';
import { macsOfNetwork, refuseDevice, requireInstanceNamespace } from './attach-rules.js';
import { applyAndSettle } from './creation.js';
import { asDeletion } from './deletion.js';
import { removeInterface } from './detach.js';
import { retryTakenIndexes } from './retry-indexes.js';

/**
 * Maximum number of random MACs that are tried. With 1,000 interfaces, two taken ones in a row have a probability of
 * 10^-8.
 */
const MAC_SAMPLES = 8;

interface Reserved {
  network: NetworkRecord;
  nic: InterfaceRecord;
  revision: number;
}

/**
 * Attaches an instance in three steps: reserves an interface, applies it, settles its record.
 * @param isOnly rejects with a ConflictError if another interface is recorded at the same place in the container
 */
export function attach(
  context: Context,
  network: string,
  options: AttachOptions,
  isOnly = false,
): Promise<InterfaceRecord> {
  return attachWith(context, network, () => {
    const request = parseAttachOptions(options);
    return { ...request, isOnly, choose: () => chooseAttachment(context, request) };
  });
}

/** What an attach needs, whatever the kind of attachment. */
export interface AttachPlan extends Omit<AttachCommonRequest, 'signal'> {
  /** A ConflictError if another interface is recorded at the same place in the container. */
  isOnly: boolean;
  /** Chooses the attachment before it is reserved. */
  choose: () => Promise<ChosenAttachment>;
  slot?: Slot;
  lane?: string;
  signal?: AbortSignal | undefined;
}

/** As `attach`. @param prepare returns what is to be attached */
export function attachWith(context: Context, network: string, prepare: () => AttachPlan): Promise<InterfaceRecord> {
  const { locks } = context;
  return asCall(context, () =>
    retryTakenIndexes(async () => {
      const request = prepare();
      const { signal } = request;
      signal?.throwIfAborted();
      const work = () => attachLimit.run(() => attachOnce(context, network, request), signal);
      return locks.shared(network, work, signal);
    }),
  );
}

async function attachOnce(context: Context, uuid: string, request: AttachPlan): Promise<InterfaceRecord> {
  const { coordinator, locks } = context;
  const chosen = await request.choose();
  const { result, revision } = await coordinator.commit((transaction) =>
    reserveInterface(transaction, context, uuid, request, chosen),
  );
  return locks.exclusive(result.nic.uuid, () => create(context, { ...result, revision }, request));
}

async function create(
  context: Context,
  { network, nic, revision }: Reserved,
  { lane, signal }: Pick<AttachPlan, 'lane' | 'signal'>,
): Promise<InterfaceRecord> {
  const resource = interfaceResource(context.localNode, network, nic);
  const creation = {
    ...{ network, revision, resources: resource ? [resource] : [] },
    ids: [resourceId.network, resourceId.interface(nic.uuid)],
    ...{ nic, needsThisNode: true, isEverywhere: true, lane, signal },
  };
  const own = { network, nic };
  try {
    return await applyAndSettle(context, creation, {
      settle: () => settleInterface(context, nic),
      undo: (applied) =>
        attachLimit.runReleased(() => removeInterface(context, nic.uuid, { haloMs: 0, own, ...applied })),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    const failure = asCapacityError(await asNameConflict(context, nic, error), networkNames(network.vni).bridge);
    throw await asDeletion(context, network.uuid, failure);
  }
}

/**
 * Returns a ConflictError if an attach failed because the container has another link of the name; otherwise returns the
 * error. Only looked for after a failure, so that an attach needs no further query.
 */
async function asNameConflict({ kernel }: Context, { attachment }: InterfaceRecord, error: unknown): Promise<unknown> {
  if (attachment.kind !== 'veth' || (error as { code?: unknown }).code !== 'EEXIST') return error;
  const { innerName: name, innerIndex } = attachment;
  // The query also finds a link by its alternative names.
  const link = await kernel
    .query('link.get', { netns: containerNamespace(attachment), link: { name } })
    .catch(() => undefined);
  if (link === undefined || link.index === innerIndex) return error;
  return new ConflictError(
    `the namespace ${attachment.netns} has a link ${name} already: choose another name with the option name`,
    { cause: error },
  );
}

/** The attachment of an interface, before it is reserved. */
export interface ChosenAttachment {
  /** Name of the link in the namespace of the host. */
  device: string;
  /** Rejects with a ValidationError if the namespace cannot be used. The rejection is always handled. */
  attachment: Promise<DesiredAttachment>;
}

/**
 * Chooses link indexes and checks the place of the attachment.
 * @throws ValidationError, NotFoundError, ConflictError
 */
async function chooseAttachment(context: Context, request: AttachRequest): Promise<ChosenAttachment> {
  const { kernel, indexes, host } = context;
  if ('tap' in request) {
    const [index] = (await indexes.take(1)) as [number];
    return chosenNow({ kind: 'tap', name: request.tap, index, ...tapOptions(request) });
  }
  if ('netns' in request) {
    const { netns, name: innerName, configure } = request;
    // Runs concurrently with the transaction of the store.
    const place = requireInstanceNamespace(context, netns, { withRoutes: configure });
    place.catch(() => undefined);
    const [index, innerIndex] = (await indexes.take(2)) as [number, number];
    const attachment = { kind: 'veth', index, innerIndex, netns, innerName, configure } as const;
    const identified = place.then(({ identity, routes }) => {
      const metric = configure ? freeMetric(routes, request.order) : undefined;
      return { ...attachment, identity, ...(metric !== undefined && { metric }) };
    });
    identified.catch(() => undefined);
    return { device: deviceName(attachment), attachment: identified };
  }
  const link = await findLink(kernel, host.netns, request.device);
  await refuseDevice(context, link, request.device);
  if (link.master !== undefined && link.master !== 0) {
    throw new ConflictError(`${request.device} is a port of another bridge`);
  }
  const attachment = deviceAttachment(link);
  if (request.mac !== undefined && request.mac === attachment.mac) {
    throw new ValidationError('mac', request.mac, `a MAC address other than that of ${attachment.name} itself`);
  }
  return chosenNow(attachment);
}

/** Returns the lowest free metric of an IPv4 default route, from `order` on. Undefined if it is `order` itself. */
export function freeMetric(routes: readonly Route[], order: number): number | undefined {
  const taken = new Set(
    routes
      .filter((route) => isDefaultRoute(route) && routeFamily(route) === 'inet')
      .filter(({ table = MAIN_TABLE, tos = 0 }) => table === MAIN_TABLE && tos === 0)
      .map(({ metric = 0 }) => metric),
  );
  let metric = order;
  while (taken.has(metric)) metric++;
  return metric === order ? undefined : metric;
}

/** A chosen attachment that needs no check. */
export const chosenNow = (attachment: DesiredAttachment): ChosenAttachment => ({
  device: deviceName(attachment),
  attachment: Promise.resolve(attachment),
});

/**
 * Reserves the MAC, the addresses and the names of an interface.
 * @throws ValidationError, ConflictError, CongestedNetworkError
 */
async function reserveInterface(
  transaction: Transaction,
  { floatingOf, node, detected, coordinator, owner: self }: Context,
  uuid: string,
  request: AttachPlan,
  chosen: ChosenAttachment,
): Promise<Omit<Reserved, 'revision'>> {
  let network = await liveNetworkOf(transaction, uuid);
  if (node !== undefined && network.mtu > detected.mtu) {
    const text = `network ${uuid} has an MTU of ${network.mtu}; the mesh NIC of ${node} allows at most ${detected.mtu}`;
    throw new ConflictError(text);
  }
  if ((await transaction.get(keys.device(chosen.device, node))) !== undefined) {
    throw new ConflictError(`${chosen.device} is attached already`);
  }
  await requireFreeHostname(transaction, network, request.hostname);
  await requireOverlayPort(transaction, network);
  const taken = macsOfNetwork(network, await coordinator.nodeNames(transaction));
  const mac = await chooseMac(transaction, uuid, request.mac, taken);
  const owner = randomUUID();
  const { hostname, instance, antiSpoofing, allowedAddresses } = request;
  const guard = antiSpoofing ? { allowedAddresses } : undefined;
  // Before the random choice of an address, which must not be a shared one.
  await shareAddresses(transaction, network, {
    owner,
    guard,
    address: request.address,
    floating: floatingOf(network).netblock,
  });
  const pool = networkPool(network);
  const address = await pool.reserve(
    transaction,
    { use: 'interface', owner, mac },
    { address: request.address, instance: request.instance },
  );
  if (guard === undefined) network = forgetAddresses(transaction, network);
  const isReused = (await pool.get(transaction, address))?.isReused ?? false;
  // In a cluster, an announcement also tells the bridges of other nodes where the MAC is.
  const isFirstOwner = node === undefined && network.remembersAddresses === true && !isReused;
  // Everything above runs while the namespace is read.
  const attachment = await chosen.attachment;
  const place = request.isOnly ? placeOf({ attachment, ...(node !== undefined && { node }) }) : undefined;
  const other = place && (await transaction.get<string>(place));
  if (other !== undefined) throw new ConflictError(`interface ${other} is in that place already`);
  if (attachment.kind === 'device' && attachment.mac !== undefined) {
    await refuseDeviceMac(transaction, uuid, attachment.mac, taken);
  }
  const nic: InterfaceRecord = {
    uuid: owner,
    network: uuid,
    ...(node !== undefined && { node }),
    attachment,
    mac,
    address,
    order: request.order,
    model: request.model,
    ...(guard && { guard }),
    ...(isFirstOwner && { isFirstOwner }),
    ...(hostname !== undefined && { hostname }),
    ...(instance !== undefined && { instance }),
    metadata: request.metadata,
    ...(request.slot && { slot: request.slot }),
    state: 'initial',
    claim: self.claim(),
  };
  await createInterface(transaction, nic);
  return { network, nic };
}

/** An interface without anti-spoofing may use addresses that the pool does not record. */
function forgetAddresses(transaction: Transaction, network: NetworkRecord): NetworkRecord {
  if (network.remembersAddresses === undefined) return network;
  const { remembersAddresses: _, ...record } = network;
  transaction.put(keys.network(network.uuid), record);
  return record;
}

/**
 * Reserves the allowed addresses of an interface. Several interfaces may share one; none can have it as its own
 * address.
 * @throws ValidationError for an address of the floating network
 */
async function shareAddresses(
  transaction: Transaction,
  network: NetworkRecord,
  nic: { owner: string; guard: InterfaceRecord['guard']; address: string | undefined; floating: Netblock },
): Promise<void> {
  const { owner, guard, address = '', floating } = nic;
  const allowed = guard?.allowedAddresses ?? [];
  const field = (each: string) => `allowedAddresses[${allowed.indexOf(each)}]`;
  for (const each of allowed) {
    if (floating.contains(each)) {
      const expected = `an address outside the floating network ${floating.cidr}: routed addresses are allowed without this option`;
      throw new ValidationError(field(each), each, expected);
    }
  }
  const pool = networkPool(network);
  for (const each of sharedAddresses(network, { address, guard })) {
    await pool.share(transaction, each, owner, field(each));
  }
}

const isFree = async (transaction: Transaction, network: string, mac: string) =>
  (await transaction.get(keys.mac(network, mac))) === undefined;

/**
 * Returns the MAC that the caller fixed, or a random free one.
 * @param taken MACs of the network itself
 * @throws ValidationError, ConflictError
 */
async function chooseMac(
  transaction: Transaction,
  network: string,
  fixed: string | undefined,
  taken: ReadonlySet<string>,
): Promise<string> {
  if (fixed !== undefined) {
    if (taken.has(fixed)) {
      throw new ValidationError(
        'mac',
        fixed,
        'a MAC address other than those of the gateway and the bridges of the network',
      );
    }
    if (await isFree(transaction, network, fixed)) return fixed;
    throw new ConflictError(`MAC ${fixed} is in use in network ${network}`);
  }
  for (let sample = 0; sample < MAC_SAMPLES; sample++) {
    const mac = randomMac();
    if (!taken.has(mac) && (await isFree(transaction, network, mac))) return mac;
  }
  throw new ConflictError(`no free MAC found for network ${network}`);
}

/** Checks the MAC of a device of the host. @throws ConflictError if the network uses it */
async function refuseDeviceMac(
  transaction: Transaction,
  network: string,
  mac: string,
  taken: ReadonlySet<string>,
): Promise<void> {
  if (!taken.has(mac) && (await isFree(transaction, network, mac))) return;
  throw new ConflictError(`MAC ${mac} of the device is in use in network ${network}`);
}

/**
 * Sets the state of an interface to `created`.
 * @throws NotFoundError, ConflictError if it or its network is being removed. The removal may have run before the link
 *   existed, so the caller removes the link
 */
async function settleInterface(
  { store, kernel }: Pick<Context, 'store' | 'kernel'>,
  { uuid, attachment: applied }: Pick<InterfaceRecord, 'uuid' | 'attachment'>,
): Promise<InterfaceRecord> {
  const attachment = applied.kind === 'veth' && applied.isOwned ? await identified(kernel, applied) : applied;
  return transact(store, async (transaction) => {
    const { claim: _, ...record } = await interfaceOf(transaction, uuid);
    if (record.state === 'deleting') throw new ConflictError(`interface ${uuid} is being detached`);
    await liveNetworkOf(transaction, record.network);
    // No slot becomes free in a pool that is being deleted.
    if (record.slot?.isFree) await livePoolOf(transaction, record.network, record.slot.pool);
    const created: InterfaceRecord = { ...record, attachment, state: 'created' };
    transaction.put(keys.interface(uuid), created);
    indexFreeSlot(transaction, created);
    return created;
  });
}

/** Returns an attachment with the identity of the namespace that was created for it. */
async function identified(
  kernel: Kernel,
  attachment: Extract<DesiredAttachment, { kind: 'veth' }>,
): Promise<DesiredAttachment> {
  const { identity } = await kernel.query('namespace.get', { netns: attachment.netns });
  return identity === undefined ? attachment : { ...attachment, identity };
}
