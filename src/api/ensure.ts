import { setTimeout as delay } from 'node:timers/promises';
import { ConflictError, DifferenceError, NotFoundError } from '../errors.js';
import type { Context } from '../host/context.js';
import { parseMac } from '../ipam/mac.js';
import { checkNetworkOptions } from '../operations/create-network.js';
import { reconcile } from '../reconcile/reconcile.js';
import { isHeld } from '../records/claim.js';
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
import { parseAttachOptions } from './options.js';
import type { AttachOptions, CreateNetworkOptions } from './types.js';

/*
 * "It is to be there": what is there and as wished is taken, what is there and differs is refused, what is not is made.
 * Several may wish for the same at once, in several processes: one makes it, the others wait for that.
 */

/** What is being made or removed by somebody who lives is waited for as long, in milliseconds. */
const PATIENCE_MS = 60_000;
const MAX_PAUSE_MS = 50;

interface Wish<Found> {
  /** For messages. */
  what: string;
  signal: AbortSignal | undefined;
  /** What is there, or undefined. */
  find(): Promise<Found | undefined>;
  /** @throws DifferenceError */
  compare(found: Found): void;
  make(): Promise<Found>;
}

async function ensure<Found extends Lifecycle>(context: Context, wish: Wish<Found>): Promise<Found> {
  const { what, signal, find, compare, make } = wish;
  const deadline = performance.now() + PATIENCE_MS;
  for (let pause = 1; performance.now() < deadline; pause = Math.min(2 * pause, MAX_PAUSE_MS)) {
    signal?.throwIfAborted();
    const found = await find();
    if (found === undefined) {
      try {
        return await make();
      } catch (error) {
        // Somebody else was first, or it is something else that is in the way.
        if (!(error instanceof ConflictError) || (await find()) === undefined) throw error;
      }
    } else {
      if (found.state !== 'deleting') compare(found);
      if (found.state === 'created') return found;
      // Left by a process that was killed. In a cluster the agents see to that.
      if (context.node === undefined && !isHeld(found.claim)) {
        await reconcile(context, { dryRun: false, cause: 'request', signal });
      }
    }
    await delay(pause, undefined, { ...(signal && { signal }) });
  }
  throw new ConflictError(`${what} is still being made or removed after ${PATIENCE_MS / 1000} s`);
}

/** Compares what was asked for with what is there: what is not asked for may be anything. @throws DifferenceError */
function requireSame(what: string, wished: object, there: object): void {
  for (const [field, value] of Object.entries(wished)) {
    const actual = (there as Record<string, unknown>)[field];
    if (value !== undefined && JSON.stringify(actual) !== JSON.stringify(value)) {
      throw new DifferenceError(what, field, actual, value);
    }
  }
}

/** @param make creates a network with these options */
export function ensureNetwork(
  context: Context,
  options: CreateNetworkOptions,
  make: () => Promise<NetworkRecord>,
): Promise<NetworkRecord> {
  const { store } = context;
  const checked = checkNetworkOptions(context, options);
  const { uuid, tenant, name } = checked;
  const wished = askedFor(options, checked);
  return ensure(context, {
    what: `network ${name}`,
    signal: checked.signal,
    find: async () => {
      const named = await transact(store, (transaction) => networksNamed(transaction, { tenant, name }));
      if (uuid === undefined && named.length > 1) {
        throw new ConflictError(
          `${named.length} networks of tenant ${tenant} are named ${name}: say which by its UUID`,
        );
      }
      const known = uuid === undefined ? named[0] : uuid;
      return known === undefined ? undefined : orNothing(readNetwork(context, known));
    },
    compare: (found) => requireSame(`network ${found.uuid}`, { ...wished, tenant }, networkInfo(found)),
    make,
  });
}

/** @param make attaches an interface with these options to the network */
export function ensureInterface(
  context: Context,
  network: string,
  options: AttachOptions,
  make: () => Promise<InterfaceRecord>,
): Promise<InterfaceRecord> {
  const { store, node } = context;
  const request = parseAttachOptions(options);
  const key =
    'tap' in request
      ? keys.device(request.tap, node)
      : 'netns' in request
        ? keys.place(request.netns, request.name, node)
        : keys.device(request.device, node);
  const what = 'tap' in request ? request.tap : 'netns' in request ? request.name : request.device;
  // It was found by its namespace, which has several names; without the guard nothing is allowed or forbidden.
  const ignored = { netns: undefined, ...(!request.antiSpoofing && { allowedAddresses: undefined }) };
  const wished = { network, ...askedFor(options, request), ...ignored };
  return ensure(context, {
    what: `interface ${what}`,
    signal: request.signal,
    find: async () => {
      const known = await store.get<string>(key);
      return known && orNothing(readInterface(context, known.value));
    },
    compare: (found) => requireSame(`interface ${found.uuid}`, wished, asAttached(found)),
    make,
  });
}

/** What a caller has given, as it is after checking. Metadata is what it was made with, and can be changed since. */
function askedFor(options: object, checked: object): Record<string, unknown> {
  const given = Object.entries(checked).filter(([field]) => (options as Record<string, unknown>)[field] !== undefined);
  const { signal: _, metadata: __, mac, ...rest } = Object.fromEntries(given) as Record<string, unknown>;
  return { ...rest, mac: typeof mac === 'string' ? parseMac('mac', mac) : undefined };
}

/** An interface in terms of the options of `attach`. */
function asAttached(nic: InterfaceRecord): object {
  const { attachment } = nic;
  const info = interfaceInfo(nic);
  if (attachment.kind === 'device') return { ...info, device: attachment.name, tap: undefined, netns: undefined };
  if (attachment.kind === 'tap') {
    const { name, owner, multiQueue = false } = attachment;
    return { ...info, tap: name, owner, multiQueue, device: undefined };
  }
  return { ...info, netns: attachment.netns, name: attachment.innerName, configure: attachment.configure };
}

async function orNothing<Found>(reading: Promise<Found>): Promise<Found | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof NotFoundError) return undefined;
    throw error;
  }
}
