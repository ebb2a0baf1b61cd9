import { ConflictError, DifferenceError, NotFoundError } from '../errors.js';
import type { Context } from '../host/context.js';
import { parseMac } from '../ipam/mac.js';
import { Observer } from '../kernel/ensure/observer.js';
import { checkNetworkOptions } from '../operations/create-network.js';
import { presenceOf } from '../reconcile/presence.js';
import { reconcile } from '../reconcile/reconcile.js';
import { networksNamed } from '../records/names.js';
import { readInterface, readNetwork } from '../records/queries.js';
import {
  type InterfaceRecord,
  interfaceInfo,
  keys,
  type Lifecycle,
  type NetworkRecord,
  networkInfo,
} from '../records/records.js';
import { transact } from '../store/transaction.js';
import { Backoff } from '../util/backoff.js';
import { parseAttachOptions } from './options.js';
import type { AttachOptions, CreateNetworkOptions } from './types.js';

/*
 * `ensureNetwork` and `ensureInterface`: an existing object that matches the options is returned, one that differs is
 * an error, a missing one is created. Concurrent calls, also of several processes, are safe: one call creates the
 * object, and the others wait for it.
 */

/** Maximum wait for an object that another call creates or removes, in milliseconds. */
const TIMEOUT_MS = 60_000;
const BACKOFF = { initial: 1, maximum: 50 };

/** How one kind of object is found, compared and created. */
interface EnsureRequest<Found> {
  /** Text for the object in messages. */
  title: string;
  signal: AbortSignal | undefined;
  /** Resolves to the existing object, or to undefined. */
  find(): Promise<Found | undefined>;
  /** Compares the object with the options. @throws DifferenceError */
  compare(found: Found): void;
  /**
   * Resolves to whether a created object can be returned; if not, it is looked for again.
   * @throws ConflictError if it cannot be used any more
   */
  isUsable(found: Found): Promise<boolean>;
  create(): Promise<Found>;
}

async function ensure<Found extends Lifecycle>(context: Context, request: EnsureRequest<Found>): Promise<Found> {
  const { title, signal, find, compare, isUsable, create } = request;
  const deadline = performance.now() + TIMEOUT_MS;
  const backoff = new Backoff(BACKOFF);
  while (performance.now() < deadline) {
    signal?.throwIfAborted();
    const found = await find();
    if (found === undefined) {
      try {
        return await create();
      } catch (error) {
        // Another call has created the object, unless the conflict is about something else.
        if (!(error instanceof ConflictError) || (await find()) === undefined) throw error;
      }
    } else {
      if (found.state !== 'deleting') compare(found);
      if (found.state === 'created' && (await isUsable(found))) {
        // Another process may not have flushed the record yet.
        await context.store.flush();
        return found;
      }
      // The owner was killed, or a device has returned. In a cluster, the agents recover the change.
      if (context.node === undefined && !context.owner.isAlive(found.claim)) {
        await reconcile(context, { dryRun: false, cause: 'request', signal });
      }
    }
    await backoff.wait({ signal, deadline });
  }
  throw new ConflictError(`${title} is still being created or removed after ${TIMEOUT_MS} ms`);
}

/**
 * Compares the given options with the existing object. Options that are not given are not compared.
 * @throws DifferenceError
 */
function requireSame(title: string, wanted: object, existing: object): void {
  for (const [field, value] of Object.entries(wanted)) {
    const actual = (existing as Record<string, unknown>)[field];
    if (value !== undefined && JSON.stringify(actual) !== JSON.stringify(value)) {
      throw new DifferenceError(title, field, actual, value);
    }
  }
}

/** Finds or creates a network. @param create creates a network with these options @throws DifferenceError */
export function ensureNetwork(
  context: Context,
  options: CreateNetworkOptions,
  create: () => Promise<NetworkRecord>,
): Promise<NetworkRecord> {
  const { store, locks } = context;
  const checked = checkNetworkOptions(context, options);
  const { uuid, tenant, name } = checked;
  const wanted = givenOptions(options, checked);
  return ensure(context, {
    title: `network ${name}`,
    signal: checked.signal,
    find: async () => {
      const named = await transact(store, (transaction) => networksNamed(transaction, { tenant, name }));
      if (uuid === undefined && named.length > 1) {
        throw new ConflictError(`${named.length} networks of tenant ${tenant} are named ${name}: use the UUID`);
      }
      const known = uuid === undefined ? named[0] : uuid;
      if (known === undefined) return undefined;
      await locks.turn(known, checked.signal);
      return orUndefined(readNetwork(context, known));
    },
    compare: (found) => requireSame(`network ${found.uuid}`, { ...wanted, tenant }, networkInfo(found)),
    isUsable: async () => true,
    create,
  });
}

/** Finds or attaches an interface. @param create attaches an interface with these options @throws DifferenceError */
export function ensureInterface(
  context: Context,
  network: string,
  options: AttachOptions,
  create: () => Promise<InterfaceRecord>,
): Promise<InterfaceRecord> {
  const { store, node, locks } = context;
  const request = parseAttachOptions(options);
  const key =
    'tap' in request
      ? keys.device(request.tap, node)
      : 'netns' in request
        ? keys.place(request.netns, request.name, node)
        : keys.device(request.device, node);
  const name = 'tap' in request ? request.tap : 'netns' in request ? request.name : request.device;
  // The namespace is not compared: it may have several paths, and the interface was found by it. Without anti-spoofing,
  // all addresses are allowed.
  const ignored = { netns: undefined, ...(!request.antiSpoofing && { allowedAddresses: undefined }) };
  const wanted = { network, ...givenOptions(options, request), ...ignored };
  return ensure(context, {
    title: `interface ${name}`,
    signal: request.signal,
    find: async () => {
      await locks.turn(network, request.signal);
      const known = await store.get<string>(key);
      return known && orUndefined(readInterface(context, known.value));
    },
    compare: (found) => requireSame(`interface ${found.uuid}`, wanted, asOptions(found)),
    isUsable: (found) => isAttached(context, found),
    create,
  });
}

/**
 * Resolves to false if the device of an interface has returned and is not attached again yet.
 * @throws ConflictError if its container or device is gone: another one may have the same path or name
 */
async function isAttached(context: Context, nic: InterfaceRecord): Promise<boolean> {
  const { attachment, uuid } = nic;
  const presence = await presenceOf(context, nic, new Observer(context.kernel));
  if (presence.state === 'found') return attachment.kind === 'veth';
  if (presence.state === 'present' && nic.lost === undefined) return true;
  const reason =
    presence.state === 'gone'
      ? `${presence.what} is gone`
      : presence.state === 'unreachable'
        ? 'its namespace has no path any more'
        : nic.lost;
  throw new ConflictError(`interface ${uuid} has this place, but ${reason}: detach it first`);
}

/**
 * Returns the checked values of the given options, without metadata, which may have been changed since the creation.
 */
function givenOptions(options: object, checked: object): Record<string, unknown> {
  const given = Object.entries(checked).filter(([field]) => (options as Record<string, unknown>)[field] !== undefined);
  const { signal: _, metadata: __, mac, ...rest } = Object.fromEntries(given) as Record<string, unknown>;
  return { ...rest, mac: typeof mac === 'string' ? parseMac('mac', mac) : undefined };
}

/** Returns the properties of an interface under the names of the options of `attach`. */
function asOptions(nic: InterfaceRecord): object {
  const { attachment } = nic;
  const info = interfaceInfo(nic);
  if (attachment.kind === 'device') return { ...info, device: attachment.name, tap: undefined, netns: undefined };
  if (attachment.kind === 'tap') {
    const { name, owner, multiQueue = false } = attachment;
    return { ...info, tap: name, owner, multiQueue, device: undefined };
  }
  return { ...info, netns: attachment.netns, name: attachment.innerName, configure: attachment.configure };
}

async function orUndefined<Found>(reading: Promise<Found>): Promise<Found | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof NotFoundError) return undefined;
    throw error;
  }
}
