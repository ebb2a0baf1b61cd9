import { randomUUID } from 'node:crypto';
import { ConflictError, NotFoundError, ValidationError } from '../errors.js';
import { randomMac } from '../ipam/mac.js';
import type { Netblock } from '../ipam/netblock.js';
import type { AddressPool } from '../ipam/pool.js';
import type { DesiredAttachment } from '../plan/desired.js';
import { deviceName, planInterface } from '../plan/interface.js';
import { networkNames } from '../plan/names.js';
import { type Transaction, transact } from '../store/transaction.js';
import { Semaphore } from '../util/semaphore.js';
import { macsOfNetwork, refuseDevice, requireInstanceNamespace } from './attach-rules.js';
import { begin } from './begin.js';
import { asCapacityError, requireOverlayPort } from './capacity.js';
import { claim } from './claim.js';
import { type Context, condemnTogether, Errors, halo, takeAway } from './context.js';
import { findLink } from './facts.js';
import { withFreshIndexes } from './fresh-indexes.js';
import { createInterface, linksOfMember, planDetach, releaseInterface, sharedAddresses } from './members.js';
import { placeOf } from './names.js';
import { asDeletion, liveNetworkOf, networkOf } from './network-lifecycle.js';
import { type AttachPlan, type AttachRequest, parseAttachOptions } from './options.js';
import { whenFree } from './other-hands.js';
import { deviceAttachment } from './presence.js';
import { always, type InterfaceRecord, type IsDue, keys, type NetworkRecord, networkPool } from './records.js';
import type { AttachOptions } from './types.js';

/** Random MACs tried before giving up; two in a row are taken once in 10^8 even in a network of 1,000. */
const MAC_SAMPLES = 8;

/**
 * Attaches of this process that are under way at once; the others wait, having nothing yet but their locks. Enough for
 * commits and sends to be shared, and few enough that collecting garbage, of which V8 copies what is still in use, does not
 * hold up the event loop. Those that wait for a dnsmasq are not counted until they come back: it may take long, and is one
 * network's.
 */
const attachLimit = new Semaphore(32);

/** @param isOnly unless another interface is recorded at the same place in the container */
export function attach(
  context: Context,
  network: string,
  options: AttachOptions,
  isOnly = false,
): Promise<InterfaceRecord> {
  return withFreshIndexes(() => attachOnce(context, network, options, isOnly));
}

async function attachOnce(
  context: Context,
  network: string,
  options: AttachOptions,
  isOnly: boolean,
): Promise<InterfaceRecord> {
  const request: AttachPlan = { ...parseAttachOptions(options), isOnly };
  const { signal } = request;
  signal?.throwIfAborted();
  const work = () => attachLimit.run(() => attachOne(context, network, request), signal);
  return context.locks.shared(network, work, signal);
}

async function attachOne(context: Context, network: string, request: AttachPlan): Promise<InterfaceRecord> {
  const chosen = await chooseAttachment(context, request);
  const reserved = await begin(context.store, (transaction) =>
    reserveInterface(transaction, network, request, chosen, context),
  );
  return context.locks.exclusive(reserved.nic.uuid, () => connect(context, reserved, request.signal));
}

/** What is asked for. */
interface ChosenAttachment {
  /** Name of the link in the host's namespace. */
  device: string;
  /** Rejects with a ValidationError if there is no such place. Never unhandled. */
  attachment: Promise<DesiredAttachment>;
}

/** @throws NotFoundError, ConflictError */
export async function chooseAttachment(context: Context, request: AttachRequest): Promise<ChosenAttachment> {
  const { kernel, indexes, host } = context;
  if ('tap' in request) {
    const [index] = (await indexes.take(1)) as [number];
    const { tap: name, owner, multiQueue } = request;
    return found({
      kind: 'tap',
      name,
      index,
      ...(owner !== undefined && { owner }),
      ...(multiQueue && { multiQueue }),
    });
  }
  if ('netns' in request) {
    // The kernel looks while the store is read.
    const place = requireInstanceNamespace(context, request.netns);
    place.catch(() => undefined);
    const [index, innerIndex] = (await indexes.take(2)) as [number, number];
    const { netns, name: innerName, configure } = request;
    const attachment = { kind: 'veth', index, innerIndex, netns, innerName, configure } as const;
    const identified = place.then((identity) => ({ ...attachment, identity }));
    identified.catch(() => undefined);
    return { device: deviceName(attachment), attachment: identified };
  }
  const link = await findLink(kernel, host.netns, request.device);
  await refuseDevice(context, link, request.device);
  if (link.master !== undefined && link.master !== 0) {
    throw new ConflictError(`${request.device} is a port of another bridge already`);
  }
  const attachment = deviceAttachment(link);
  if (request.mac !== undefined && request.mac === attachment.mac) {
    throw new ValidationError('mac', request.mac, `a MAC address other than that of ${attachment.name} itself`);
  }
  return found(attachment);
}

const found = (attachment: DesiredAttachment): ChosenAttachment => ({
  device: deviceName(attachment),
  attachment: Promise.resolve(attachment),
});

/** Where an interface is reserved, and what it must keep apart from. */
interface Surroundings {
  readonly floating: Pick<AddressPool, 'netblock'>;
  /** This node of a cluster. */
  readonly node?: string;
  /** All of its nodes that are known. */
  readonly nodes?: readonly string[];
}

/** @throws ValidationError, ConflictError, CongestedNetworkError */
export async function reserveInterface(
  transaction: Transaction,
  uuid: string,
  request: AttachPlan,
  chosen: ChosenAttachment,
  { floating, node, nodes = [] }: Surroundings,
): Promise<{ network: NetworkRecord; nic: InterfaceRecord }> {
  const network = await liveNetworkOf(transaction, uuid);
  if ((await transaction.get(keys.device(chosen.device, node))) !== undefined) {
    throw new ConflictError(`${chosen.device} is attached already`);
  }
  const attachment = await chosen.attachment;
  const place = request.isOnly ? placeOf({ attachment, ...(node !== undefined && { node }) }) : undefined;
  const other = place && (await transaction.get<string>(place));
  if (other !== undefined) throw new ConflictError(`interface ${other} is in that place already`);
  await requireOverlayPort(transaction, network);
  const taken = macsOfNetwork(network, nodes);
  const mac = await chooseMac(transaction, uuid, request.mac, taken);
  if (attachment.kind === 'device' && attachment.mac !== undefined) {
    await refuseDeviceMac(transaction, uuid, attachment.mac, taken);
  }
  const owner = randomUUID();
  const { hostname, instance, antiSpoofing, allowedAddresses } = request;
  const guard = antiSpoofing ? { allowedAddresses } : undefined;
  // Before an address is chosen at random.
  await shareAddresses(transaction, network, { owner, guard, address: request.address, floating: floating.netblock });
  const address = await networkPool(network).reserve(
    transaction,
    { use: 'interface', owner, mac },
    { address: request.address },
  );
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
    ...(hostname !== undefined && { hostname }),
    ...(instance !== undefined && { instance }),
    metadata: request.metadata,
    state: 'initial',
    claim: claim(node),
  };
  await createInterface(transaction, nic);
  return { network, nic };
}

/** Reserves the further addresses of an interface, which others may have beside theirs as well, but not as their own. */
async function shareAddresses(
  transaction: Transaction,
  network: NetworkRecord,
  wish: { owner: string; guard: InterfaceRecord['guard']; address: string | undefined; floating: Netblock },
): Promise<void> {
  const { owner, guard, address = '', floating } = wish;
  const allowed = guard?.allowedAddresses ?? [];
  const field = (each: string) => `allowedAddresses[${allowed.indexOf(each)}]`;
  for (const each of allowed) {
    if (floating.contains(each)) {
      const expected = `an address outside the floating network ${floating.cidr}: those routed into the network need not be named`;
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

/** @param taken MACs of the network itself */
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

/** @throws ConflictError if the MAC of a device of the host is one that the network has already */
async function refuseDeviceMac(
  transaction: Transaction,
  network: string,
  mac: string,
  taken: ReadonlySet<string>,
): Promise<void> {
  if (!taken.has(mac) && (await isFree(transaction, network, mac))) return;
  throw new ConflictError(`MAC ${mac}, which the device has, is in use in network ${network}`);
}

async function connect(
  context: Context,
  { network, nic }: { network: NetworkRecord; nic: InterfaceRecord },
  signal: AbortSignal | undefined,
): Promise<InterfaceRecord> {
  const { kernel, host, dhcp, store } = context;
  try {
    // Before the link is up: a guest asks at once. All reservations are written anew, once for all who wait.
    await attachLimit.runReleased(() => dhcp.update(network));
    await kernel.transaction(planInterface(host, network, nic), { signal });
  } catch (error) {
    // The kernel is as before: only what was reserved is left.
    await transact(store, (transaction) => releaseInterface(transaction, context, network, nic));
    await attachLimit.runReleased(() => dhcp.release(network, nic)).catch(() => undefined);
    throw await asDeletion(context, network.uuid, asCapacityError(error, networkNames(network.vni).bridge));
  }
  try {
    signal?.throwIfAborted();
    return await settleInterface(context, nic);
  } catch (error) {
    await attachLimit.runReleased(() => disconnect(context, network, nic, 0));
    throw error;
  }
}

/**
 * The interface is as recorded.
 * @throws NotFoundError, ConflictError if it or its network is being removed: whoever does so may have looked for its link
 *   before that was there
 */
export function settleInterface(
  { store }: Pick<Context, 'store'>,
  { uuid }: Pick<InterfaceRecord, 'uuid'>,
): Promise<InterfaceRecord> {
  return transact(store, async (transaction) => {
    const { claim: _, ...record } = await interfaceOf(transaction, uuid);
    if (record.state === 'deleting') throw new ConflictError(`interface ${uuid} is being detached`);
    await liveNetworkOf(transaction, record.network);
    const created: InterfaceRecord = { ...record, state: 'created' };
    transaction.put(keys.interface(uuid), created);
    return created;
  });
}

/** @throws NotFoundError */
export async function interfaceOf(transaction: Transaction, uuid: string): Promise<InterfaceRecord> {
  const record = await transaction.get<InterfaceRecord>(keys.interface(uuid));
  if (record === undefined) throw new NotFoundError('interface', uuid);
  return record;
}

/** As `removeInterface`, in its turn. */
export function detach(context: Context, { uuid, network }: InterfaceRecord): Promise<void> {
  const { locks } = context;
  return locks.shared(network, () => locks.exclusive(uuid, () => removeInterface(context, uuid, halo(context))));
}

/**
 * Removes an interface with its floating IP. Does nothing if it is gone, or not `isDue`. All steps are tried; if something is left, the
 * record stays for reconciliation to finish.
 * @param haloMs for how long its address is kept from re-use
 * @throws RemovalError
 */
export function removeInterface(context: Context, uuid: string, haloMs: number, isDue = always): Promise<void> {
  return context.departures.during(1, () => takeInterfaceAway(context, uuid, haloMs, isDue));
}

async function takeInterfaceAway(context: Context, uuid: string, haloMs: number, isDue: IsDue): Promise<void> {
  const doomed = await whenFree((requireFree) =>
    begin(context.store, async (transaction) => {
      const nic = await transaction.get<InterfaceRecord>(keys.interface(uuid));
      if (nic === undefined || !isDue(nic)) return undefined;
      const network = await networkOf(transaction, nic.network);
      requireFree(`interface ${uuid}`, nic, nic.floating, network);
      transaction.put(keys.interface(uuid), { ...nic, state: 'deleting', claim: claim() });
      return { nic, network };
    }),
  );
  if (doomed === undefined) return;
  await condemnTogether(context, linksOfMember(doomed.nic));
  await disconnect(context, doomed.network, doomed.nic, haloMs);
}

/** @throws RemovalError */
async function disconnect(
  context: Context,
  network: NetworkRecord,
  nic: InterfaceRecord,
  haloMs: number,
): Promise<void> {
  const errors = new Errors();
  errors.add(...(await takeAway(context, planDetach(context.host, network, nic))));
  await errors.attempt(() => context.dhcp.release(network, nic));
  await concludeRemoval(context, network, nic.uuid, errors, haloMs);
}

/**
 * Gives back what was reserved for an interface that is gone from the kernel. After errors its record stays, unclaimed, for
 * reconciliation to finish.
 * @throws RemovalError of the errors
 */
export async function concludeRemoval(
  context: Pick<Context, 'store' | 'floating'>,
  network: NetworkRecord,
  uuid: string,
  errors: Errors,
  haloMs: number,
): Promise<void> {
  await transact(context.store, async (transaction) => {
    const record = await transaction.get<InterfaceRecord>(keys.interface(uuid));
    if (record === undefined) return;
    if (!errors.any) return releaseInterface(transaction, context, network, record, haloMs);
    const { claim: _, ...rest } = record;
    transaction.put(keys.interface(uuid), rest);
  });
  errors.throwIfAny(`interface ${uuid} could not be removed completely`);
}
