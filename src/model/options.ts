import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { ValidationError } from '../errors.js';
import { isAddress } from '../ipam/address.js';
import { parseNetblock } from '../ipam/netblock.js';
import * as valid from '../validate.js';
import { isEventId } from './event-id.js';
import type { AttachOptions, CreateNetworkOptions, HostOptions, ReconcileProgress } from './types.js';

const flag = z.boolean({ error: 'true or false' });
const isFunction = (value: unknown) => typeof value === 'function';
const progress = z.custom<(progress: ReconcileProgress) => void>(isFunction, { error: 'a function' });
const state = z.string({ error: 'the path of a folder' }).min(1, { error: 'the path of a folder' });
const DAY = 24 * 60 * 60;
/** Entries of the neighbour table: the kernel's default, and what takes half a gigabyte of memory. */
const NEIGHBOUR_TABLE = [1024, 2 ** 20] as const;
/** Further addresses of an interface. */
const MOST_ALLOWED = 256;

const hostSchema = z.strictObject({
  netns: valid.namespaceRef.optional(),
  state,
  egressNic: valid.interfaceName,
  meshNic: valid.interfaceName.optional(),
  floatingNetwork: valid.cidr,
  outboundNat: flag.default(false),
  disableBridgeNetfilter: flag.default(false),
  vxlanPort: valid.port.default(4789),
  neighbourTable: valid.integer(...NEIGHBOUR_TABLE, 'a number of entries').optional(),
  deletionHalo: valid.integer(0, 365 * DAY, 'a number of seconds').default(300),
  dnsServers: z.array(valid.ipv4, { error: 'a list of IPv4 addresses' }).optional(),
  domain: valid.domain.default('vethwork.internal'),
  tenant: valid.displayName.default('system'),
  repair: flag.default(true),
  onProgress: progress.optional(),
});

/** Options of `openHost`, checked and complete. */
export type Settings = z.output<typeof hostSchema> & { meshNic: string; dnsServers: string[] };

/** @throws ValidationError */
export async function parseHostOptions(options: HostOptions): Promise<Settings> {
  const parsed = valid.parse(hostSchema, options);
  return {
    ...parsed,
    meshNic: parsed.meshNic ?? parsed.egressNic,
    dnsServers: parsed.dnsServers ?? (await systemResolvers()),
  };
}

/** Resolvers of /etc/resolv.conf that instances can reach: IPv4, not loopback. */
async function systemResolvers(): Promise<string[]> {
  const text = await readFile('/etc/resolv.conf', 'utf8').catch(() => '');
  return [...text.matchAll(/^nameserver\s+(\S+)/gm)]
    .map((match) => match[1])
    .filter((address) => isAddress(address) && !address.startsWith('127.')) as string[];
}

const networkSchema = z.strictObject({
  name: valid.displayName,
  netblock: valid.cidr,
  provideDhcp: flag.default(true),
  provideNat: flag.default(true),
  provideDns: flag.default(false),
  uuid: valid.uuid.optional(),
  vni: valid.vni.optional(),
  floatingGateway: valid.ipv4.optional(),
  mtu: valid.mtu.optional(),
  tenant: valid.displayName.optional(),
  metadata: valid.metadata.default({}),
  signal: valid.abortSignal.optional(),
});

export type NetworkRequest = z.output<typeof networkSchema> & { mtu: number; tenant: string };

/**
 * @throws ValidationError also for a netblock that overlaps the floating network, a way out of a network that has none, or
 *   an MTU that does not fit
 */
export function parseNetworkOptions(
  options: CreateNetworkOptions,
  host: { floatingNetwork: string; mtu: number; tenant: string },
): NetworkRequest {
  const request = valid.parse(networkSchema, options);
  const netblock = parseNetblock('netblock', request.netblock);
  if (netblock.overlaps(parseNetblock('floatingNetwork', host.floatingNetwork))) {
    throw new ValidationError(
      'netblock',
      request.netblock,
      `a network apart from the floating network ${host.floatingNetwork}`,
    );
  }
  if (request.floatingGateway !== undefined && !request.provideNat) {
    throw new ValidationError('floatingGateway', request.floatingGateway, 'none where provideNat is false');
  }
  const mtu = request.mtu ?? host.mtu;
  if (mtu > host.mtu) {
    throw new ValidationError('mtu', mtu, `at most ${host.mtu}, the mesh NIC's MTU less 50`);
  }
  return { ...request, mtu, tenant: request.tenant ?? host.tenant };
}

const attachCommon = {
  address: valid.ipv4.optional(),
  mac: valid.mac.optional(),
  hostname: valid.hostname.optional(),
  order: valid.integer(0, 1023, 'a position').default(0),
  model: valid.displayName.default('virtio'),
  instance: valid.displayName.optional(),
  antiSpoofing: flag.default(true),
  allowedAddresses: z
    .array(valid.ipv4, { error: 'a list of IPv4 addresses' })
    .max(MOST_ALLOWED, { error: `at most ${MOST_ALLOWED} IPv4 addresses` })
    .default([]),
  metadata: valid.metadata.default({}),
  signal: valid.abortSignal.optional(),
};

const userId = valid.integer(0, 2 ** 32 - 2, 'a user id');

/** By the option that says how to attach. */
const attachSchemas = {
  tap: z.strictObject({
    ...attachCommon,
    tap: valid.interfaceName,
    owner: userId.optional(),
    multiQueue: flag.optional(),
  }),
  netns: z.strictObject({
    ...attachCommon,
    netns: valid.namespaceRef,
    name: valid.interfaceName.default('eth0'),
    configure: flag.default(false),
  }),
  device: z.strictObject({ ...attachCommon, device: valid.interfaceName }),
};

type AttachKind = keyof typeof attachSchemas;
export type AttachRequest = { [Kind in AttachKind]: z.output<(typeof attachSchemas)[Kind]> }[AttachKind];

/** @throws ValidationError also unless exactly one of `tap`, `netns` and `device` is given */
export function parseAttachOptions(options: AttachOptions): AttachRequest {
  const ways = Object.keys(attachSchemas) as AttachKind[];
  const given = ways.filter(
    (way) => (options as Partial<Record<AttachKind, unknown>> | undefined)?.[way] !== undefined,
  );
  const [way] = given;
  if (way === undefined || given.length > 1) {
    throw new ValidationError('options', options, 'exactly one of tap, netns and device');
  }
  return valid.parse(attachSchemas[way], options);
}

const addressSchema = z.strictObject({ address: valid.ipv4.optional() });

/** @throws ValidationError */
export function parseAddressOption(options: { address?: string } | undefined): string | undefined {
  return valid.parse(addressSchema, options ?? {}).address;
}

const pingSchema = z.strictObject({
  address: valid.ipv4,
  timeout: valid.integer(1, 60_000, 'a number of milliseconds').default(1000),
});

/** @throws ValidationError */
export function parsePing(address: string, options: { timeout?: number } | undefined) {
  return valid.parse(pingSchema, { ...options, address });
}

/** @throws ValidationError */
export const parseMetadata = (metadata: unknown) => valid.parse(valid.metadata, metadata, 'metadata');

/** @throws ValidationError */
export const parseAddressArgument = (address: unknown): string => valid.parse(valid.ipv4, address, 'address');

const reconcileSchema = z.strictObject({
  dryRun: flag.default(false),
  onProgress: progress.optional(),
  signal: valid.abortSignal.optional(),
});

/** @throws ValidationError */
export const parseReconcileOptions = (options: unknown) => valid.parse(reconcileSchema, options ?? {});

const driftWatchSchema = z.strictObject({
  interval: valid.integer(10, DAY * 1000, 'a number of milliseconds').default(1000),
  onRepair: z.custom<(repairs: string[]) => void>(isFunction, { error: 'a function' }).optional(),
  onError: z.custom<(error: unknown) => void>(isFunction, { error: 'a function' }).optional(),
  signal: valid.abortSignal.optional(),
});

export type DriftWatchRequest = z.output<typeof driftWatchSchema>;

/** @throws ValidationError */
export const parseDriftWatchOptions = (options: unknown): DriftWatchRequest =>
  valid.parse(driftWatchSchema, options ?? {});

const eventsSchema = z.strictObject({
  follow: flag.default(true),
  history: flag.default(false),
  after: z.string({ error: 'the id of an event' }).refine(isEventId, { error: 'the id of an event' }).optional(),
  subject: z.string({ error: 'a UUID or an address' }).optional(),
  signal: valid.abortSignal.optional(),
});

export type EventsRequest = Omit<z.output<typeof eventsSchema>, 'signal'> & { signal: AbortSignal | undefined };

/** @throws ValidationError */
export const parseEventOptions = (options: unknown): EventsRequest => {
  const { signal, ...request } = valid.parse(eventsSchema, options ?? {});
  return { ...request, signal };
};
