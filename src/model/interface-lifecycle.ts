import { randomUUID } from 'node:crypto';
import { ConflictError, NotFoundError, ValidationError } from '../errors.js';
import { Gate } from '../gate.js';
import { parseMac, randomMac } from '../ipam/mac.js';
import { isNoNamespace } from '../kernel/ensure/observer.js';
import type { DesiredAttachment } from '../plan/desired.js';
import { deviceName, planInterface } from '../plan/interface.js';
import { networkNames } from '../plan/names.js';
import { type Transaction, transact } from '../store/transaction.js';
import { begin } from './begin.js';
import { asCapacityError, requireOverlayPort } from './capacity.js';
import { claim } from './claim.js';
import { type Context, condemnTogether, Errors, halo, takeAway } from './context.js';
import { findLink } from './facts.js';
import { withFreshIndexes } from './fresh-indexes.js';
import { createInterface, linksOfMember, planDetach, releaseInterface } from './members.js';
import { placeOf } from './names.js';
import { asDeletion, liveNetworkOf, networkOf } from './network-lifecycle.js';
import { type AttachPlan, type AttachRequest, parseAttachOptions } from './options.js';
import { whenFree } from './other-hands.js';
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
const crowd = new Gate(32);

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
  const work = () => crowd.pass(() => attachOne(context, network, request), signal);
  return context.locks.shared(network, work, signal);
}

async function attachOne(context: Context, network: string, request: AttachPlan): Promise<InterfaceRecord> {
  const { attachment, place } = await chooseAttachment(context, request);
  const reserved = await begin(context.store, async (transaction) => {
    const reservation = await reserveInterface(transaction, network, request, attachment);
    await place;
    return reservation;
  });
  return context.locks.exclusive(reserved.nic.uuid, () => connect(context, reserved, request.signal));
}

/** What is asked for. */
interface ChosenAttachment {
  attachment: DesiredAttachment;
  /** Has to resolve before anything is reserved: rejects with a ValidationError if the place is none. Never unhandled. */
  place: Promise<void>;
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
    const place = requireNamespace(context, request.netns);
    place.catch(() => undefined);
    const [index, innerIndex] = (await indexes.take(2)) as [number, number];
    const { netns, name: innerName, configure } = request;
    return { attachment: { kind: 'veth', index, innerIndex, netns, innerName, configure }, place };
  }
  const link = await findLink(kernel, host.netns, request.device);
  if (link.master !== undefined && link.master !== 0) {
    throw new ConflictError(`${request.device} is a port of another bridge already`);
  }
  return found({ kind: 'device', name: link.name, index: link.index, before: { mtu: link.mtu, up: link.up } });
}

const found = (attachment: DesiredAttachment): ChosenAttachment => ({ attachment, place: Promise.resolve() });

/** @throws ValidationError if it is no network namespace */
async function requireNamespace({ kernel }: Context, netns: string | number): Promise<void> {
  try {
    await kernel.query('namespace.get', { netns });
  } catch (error) {
    if (!isNoNamespace(error)) throw error;
    throw new ValidationError('netns', netns, 'a network namespace that exists: a name, a path or a process id');
  }
}

export async function reserveInterface(
  transaction: Transaction,
  uuid: string,
  request: AttachPlan,
  attachment: DesiredAttachment,
  node?: string,
): Promise<{ network: NetworkRecord; nic: InterfaceRecord }> {
  const network = await liveNetworkOf(transaction, uuid);
  const device = deviceName(attachment);
  if ((await transaction.get(keys.device(device, node))) !== undefined) {
    throw new ConflictError(`${device} is attached already`);
  }
  const place = request.isOnly ? placeOf({ attachment, ...(node !== undefined && { node }) }) : undefined;
  const other = place && (await transaction.get<string>(place));
  if (other !== undefined) throw new ConflictError(`interface ${other} is in that place already`);
  await requireOverlayPort(transaction, network);
  const mac = await chooseMac(transaction, uuid, request.mac);
  const owner = randomUUID();
  const address = await networkPool(network).reserve(
    transaction,
    { use: 'interface', owner, mac },
    { address: request.address },
  );
  const { hostname, instance, antiSpoofing, allowedAddresses } = request;
  const nic: InterfaceRecord = {
    uuid: owner,
    network: uuid,
    ...(node !== undefined && { node }),
    attachment,
    mac,
    address,
    order: request.order,
    model: request.model,
    ...(antiSpoofing && { guard: { allowedAddresses } }),
    ...(hostname !== undefined && { hostname }),
    ...(instance !== undefined && { instance }),
    metadata: request.metadata,
    state: 'initial',
    claim: claim(node),
  };
  await createInterface(transaction, nic);
  return { network, nic };
}

async function chooseMac(transaction: Transaction, network: string, fixed: string | undefined): Promise<string> {
  const free = async (mac: string) => (await transaction.get(keys.mac(network, mac))) === undefined;
  if (fixed !== undefined) {
    const mac = parseMac('mac', fixed);
    if (await free(mac)) return mac;
    throw new ConflictError(`MAC ${mac} is in use in network ${network}`);
  }
  for (let sample = 0; sample < MAC_SAMPLES; sample++) {
    const mac = randomMac();
    if (await free(mac)) return mac;
  }
  throw new ConflictError(`no free MAC found for network ${network}`);
}

async function connect(
  context: Context,
  { network, nic }: { network: NetworkRecord; nic: InterfaceRecord },
  signal: AbortSignal | undefined,
): Promise<InterfaceRecord> {
  const { kernel, host, dhcp, store } = context;
  try {
    // Before the link is up: a guest asks at once. All reservations are written anew, once for all who wait.
    await crowd.aside(() => dhcp.update(network));
    await kernel.transaction(planInterface(host, network, nic), { signal });
  } catch (error) {
    // The kernel is as before: only what was reserved is left.
    await transact(store, (transaction) => releaseInterface(transaction, context, network, nic));
    await crowd.aside(() => dhcp.release(network, nic)).catch(() => undefined);
    throw await asDeletion(context, network.uuid, asCapacityError(error, networkNames(network.vni).bridge));
  }
  try {
    signal?.throwIfAborted();
    return await settleInterface(context, nic);
  } catch (error) {
    await crowd.aside(() => disconnect(context, network, nic, 0));
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
 * @throws AggregateError
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

/** @throws AggregateError */
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
 * @throws AggregateError of the errors
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
