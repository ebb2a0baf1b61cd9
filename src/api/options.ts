import { z } from 'zod';
import { ValidationError } from '../errors.js';
import { isEventId } from '../host/event-id.js';
import { parseNetblock } from '../ipam/netblock.js';
import { DEFAULT_MODEL } from '../plan/interface.js';
import { reading, readOptions, requireText } from '../util/input.js';
import * as valid from '../util/validate.js';
import type {
  AttachOptions,
  ClaimOptions,
  CreateNetworkOptions,
  HostOptions,
  MigrateOptions,
  PoolOptions,
  ReconcileProgress,
  RepairResult,
} from './types.js';

const flag = z.boolean({ error: 'true or false' });
const isFunction = (value: unknown) => typeof value === 'function';
const progress = z.custom<(progress: ReconcileProgress) => void>(isFunction, { error: 'a function' });
const DAY_MS = 24 * 60 * 60 * 1000;
/** Limits of `neighbourTable`: the default of the kernel, and a table that needs about 512 MiB of memory. */
const NEIGHBOUR_TABLE = [1024, 2 ** 20] as const;
/** Maximum number of `allowedAddresses` of an interface. */
const MAX_ALLOWED_ADDRESSES = 256;
const MAX_DNS_SERVERS = 64;

const stateDir = valid.path('the path of a folder');

/** Options of `openHost` that a lone host and a node of a cluster have in common. */
export const hostFields = {
  netns: valid.namespaceRef.optional(),
  stateDir: stateDir.optional(),
  egressNic: valid.interfaceName.optional(),
  meshNic: valid.interfaceName.optional(),
  floatingNetwork: valid.cidr.optional(),
  outboundNat: flag.optional(),
  allowMetadata: flag.optional(),
  disableBridgeNetfilter: flag.optional(),
  vxlanPort: valid.port.optional(),
  neighbourTable: valid.integer(...NEIGHBOUR_TABLE, 'a number of entries').optional(),
  deletionHalo: valid.integer(0, 365 * DAY_MS, 'a number of milliseconds').optional(),
  dnsServers: valid.list(valid.ipv4, MAX_DNS_SERVERS, 'a list of IPv4 addresses').optional(),
  domain: valid.domain.optional(),
  tenant: valid.displayName.optional(),
  updateSettings: flag.default(false),
};

const hostSchema = z.strictObject({
  ...hostFields,
  stateDir,
  synchronousCommit: flag.optional(),
  repair: flag.default(true),
  onProgress: progress.optional(),
  signal: valid.abortSignal.optional(),
});

/** Checked options of `openHost`. Missing ones are completed by `effectiveSettings`. */
export type HostRequest = z.output<typeof hostSchema>;

type Setting =
  | 'egressNic'
  | 'meshNic'
  | 'floatingNetwork'
  | 'outboundNat'
  | 'allowMetadata'
  | 'disableBridgeNetfilter'
  | 'vxlanPort'
  | 'deletionHalo'
  | 'synchronousCommit'
  | 'dnsServers'
  | 'domain'
  | 'tenant';

/** The effective settings of a host. */
export type Settings = Omit<HostRequest, Setting> & { [Key in Setting]: NonNullable<HostRequest[Key]> } & {
  /** `dnsServers` are the resolvers of this machine, not set by the caller. */
  hasSystemResolvers: boolean;
};

/** Checks the options of `openHost`. @throws ValidationError */
export const parseHostOptions = (options: HostOptions): HostRequest => valid.parseOptions(hostSchema, options);

const adoptSchema = z.strictObject({
  ...hostFields,
  stateDir,
  dryRun: flag.default(false),
  signal: valid.abortSignal.optional(),
});

/** Checks the options of `adoptHost`. @throws ValidationError */
export const parseAdoptOptions = (options: unknown): HostRequest & { dryRun: boolean } => ({
  ...valid.parseOptions(adoptSchema, options),
  ...{ updateSettings: false, repair: false },
});

/** The name of a network must not have the form of a UUID: `getNetwork` accepts both. */
const networkName = valid.displayName.refine((name) => !valid.isUuid(name), {
  error: 'a text of 1 to 255 bytes on one line that is not a UUID',
});

const networkSchema = z.strictObject({
  name: networkName,
  netblock: valid.cidr,
  provideDhcp: flag.default(true),
  provideNat: flag.default(true),
  provideDns: flag.default(false),
  uuid: valid.uuid.optional(),
  vni: valid.vni.optional(),
  floatingGateway: valid.ipv4.optional(),
  router: valid.hostname.optional(),
  floatingPool: valid.hostname.optional(),
  mtu: valid.mtu.optional(),
  tenant: valid.displayName.optional(),
  metadata: valid.metadata.default({}),
  signal: valid.abortSignal.optional(),
});

/** Checked options of a network, with the defaults of the host. */
export type NetworkRequest = z.output<typeof networkSchema> & { mtu: number; tenant: string };

/**
 * Checks the options of a network.
 * @throws ValidationError also for a netblock that overlaps the floating network or contains a resolver, a floating
 *   gateway without NAT, or an MTU above that of the mesh
 */
export function parseNetworkOptions(
  options: CreateNetworkOptions,
  host: { floatingNetwork: string; mtu: number; tenant: string; dnsServers: readonly string[] },
): NetworkRequest {
  const request = valid.parseOptions(networkSchema, options);
  const netblock = parseNetblock('netblock', request.netblock);
  if (netblock.overlaps(parseNetblock('floatingNetwork', host.floatingNetwork))) {
    throw new ValidationError(
      'netblock',
      request.netblock,
      `a network that does not overlap the floating network ${host.floatingNetwork}`,
    );
  }
  const resolver = host.dnsServers.find((server) => netblock.contains(server));
  if (resolver !== undefined && request.provideNat) {
    throw new ValidationError(
      'netblock',
      request.netblock,
      `a network that does not contain ${resolver}, a resolver of the instances`,
    );
  }
  if (request.floatingGateway !== undefined && !request.provideNat) {
    throw new ValidationError('floatingGateway', request.floatingGateway, 'no value if provideNat is false');
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
  hostname: valid.instanceHostname.optional(),
  order: valid.integer(0, 1023, 'a position').default(0),
  model: valid.displayName.default(DEFAULT_MODEL),
  instance: valid.displayName.optional(),
  antiSpoofing: flag.default(true),
  allowedAddresses: valid.list(valid.unicast, MAX_ALLOWED_ADDRESSES, 'a list of IPv4 addresses').default([]),
  metadata: valid.metadata.default({}),
  signal: valid.abortSignal.optional(),
};

const migrateSchema = z.strictObject({
  to: valid.hostname,
  tap: valid.newLinkName.optional(),
  owner: valid.integer(0, 2 ** 32 - 2, 'a user id').optional(),
  multiQueue: flag.optional(),
  netns: valid.namespaceRef.optional(),
  name: valid.containerLinkName.optional(),
  configure: flag.optional(),
  signal: valid.abortSignal.optional(),
});

/** Checked options of a migration. */
export type MigrateRequest = z.output<typeof migrateSchema>;

/** Checks the options of `Interface.migrate`. @throws ValidationError */
export function parseMigrateOptions(options: MigrateOptions): MigrateRequest {
  const request = valid.parseOptions(migrateSchema, options);
  const { tap, netns } = request;
  if (tap !== undefined && netns !== undefined)
    throw new ValidationError('options', options, 'at most one of tap and netns');
  for (const field of ['owner', 'multiQueue'] as const)
    if (netns !== undefined && request[field] !== undefined)
      throw new ValidationError(field, request[field], 'no value with netns');
  for (const field of ['name', 'configure'] as const)
    if (netns === undefined && request[field] !== undefined)
      throw new ValidationError(field, request[field], 'no value without netns');
  return request;
}

const switchSchema = z.strictObject({ waitForSource: flag.default(true), signal: valid.abortSignal.optional() });

/** Checks the options of `Migration.switch`. @throws ValidationError */
export const parseSwitchOptions = (options: unknown) => valid.parseOptions(switchSchema, options as object | undefined);

const userId = valid.integer(0, 2 ** 32 - 2, 'a user id');

/** Schemas by the option that selects the kind of attachment. */
const attachSchemas = {
  tap: z.strictObject({
    ...attachCommon,
    tap: valid.newLinkName,
    owner: userId.optional(),
    multiQueue: flag.optional(),
  }),
  netns: z.strictObject({
    ...attachCommon,
    netns: valid.namespaceRef,
    name: valid.containerLinkName.default('eth0'),
    configure: flag.default(false),
  }),
  device: z.strictObject({ ...attachCommon, device: valid.interfaceName }),
};

type AttachKind = keyof typeof attachSchemas;
const KINDS = Object.keys(attachSchemas) as AttachKind[];
/** Checked options of an attach. */
export type AttachRequest = { [Kind in AttachKind]: z.output<(typeof attachSchemas)[Kind]> }[AttachKind];

/** Checked options that all kinds of attachment have. */
export type AttachCommonRequest = z.output<z.ZodObject<typeof attachCommon>>;

/**
 * Checks the options of an attach.
 * @throws ValidationError also unless exactly one of `tap`, `netns` and `device` is given
 */
export function parseAttachOptions(options: AttachOptions): AttachRequest {
  const given: Partial<Record<AttachKind, unknown>> = readOptions<object>(options);
  const [kind, ...others] = KINDS.filter((each) => given[each] !== undefined);
  if (kind === undefined || others.length > 0) {
    throw new ValidationError('options', options, 'exactly one of tap, netns and device');
  }
  return valid.parse(attachSchemas[kind], given);
}

/** Most free slots of a pool: a bridge has at most 1,021 ports for interfaces. */
const MOST_SLOTS = 1000;
const slots = valid.integer(1, MOST_SLOTS, 'a number of free slots');

const poolCommon = {
  name: valid.displayName.refine((name) => !valid.isUuid(name), {
    error: 'a text of 1 to 255 bytes on one line that is not a UUID',
  }),
  min: slots,
  max: slots,
  order: attachCommon.order,
  model: attachCommon.model,
  antiSpoofing: attachCommon.antiSpoofing,
  signal: valid.abortSignal.optional(),
};

const tapOptions = { owner: userId.optional(), multiQueue: flag.optional() };

const guestSchema = z.strictObject({
  // The link of the namespace to the network is eth0.
  tap: valid.containerLinkName.refine((name) => name !== 'eth0', { error: 'a link name other than lo and eth0' }),
  mac: valid.mac,
  address: valid.unicast,
  gateway: valid.unicast,
});

/** Schemas of pools by kind. `name` and `max` have defaults. */
const poolSchemas = {
  tap: z.strictObject({ ...poolCommon, kind: z.literal('tap'), ...tapOptions }),
  namespace: z.strictObject({ ...poolCommon, kind: z.literal('namespace') }),
  clone: z.strictObject({ ...poolCommon, kind: z.literal('clone'), ...tapOptions, guest: valid.part(guestSchema) }),
};

/** Checked options of a pool. */
export type PoolRequest = {
  [Kind in keyof typeof poolSchemas]: z.output<(typeof poolSchemas)[Kind]>;
}[PoolOptions['kind']];

/** Room for the slots that are released after a burst of claims. */
const defaultMax = (min: unknown) => Math.min(MOST_SLOTS, 4 * Number(min));

/** Checks the options of a pool. @throws ValidationError */
export function parsePoolOptions(options: PoolOptions): PoolRequest {
  const given = readOptions<PoolOptions>(options);
  const { kind, min } = given as PoolOptions;
  if (typeof kind !== 'string' || !Object.hasOwn(poolSchemas, kind))
    throw new ValidationError('kind', kind, 'tap, namespace or clone');
  const request: PoolRequest = requireOrder(
    valid.parse(poolSchemas[kind], { name: kind, max: defaultMax(min), ...given }),
  );
  if (request.kind === 'clone' && request.guest.address === request.guest.gateway) {
    throw new ValidationError('guest.gateway', request.guest.gateway, 'an address other than guest.address');
  }
  return request;
}

const limitsSchema = z.strictObject({ min: slots, max: slots, signal: valid.abortSignal.optional() });

/** Checks the options of `Pool.resize`. @param now the present limits @throws ValidationError */
export function parseLimits(options: unknown, now: { min: number; max: number }) {
  return requireOrder(
    valid.parse(limitsSchema, { min: now.min, max: now.max, ...readOptions<object>(options as object) }),
  );
}

function requireOrder<Limits extends { min: number; max: number }>(limits: Limits): Limits {
  if (limits.max >= limits.min) return limits;
  throw new ValidationError('max', limits.max, `a number of free slots of at least ${limits.min}, the value of min`);
}

const claimSchema = z.strictObject({
  hostname: attachCommon.hostname,
  instance: attachCommon.instance,
  metadata: attachCommon.metadata,
  signal: attachCommon.signal,
});

/** Checked options of a claim, without the pool. */
export type ClaimRequest = z.output<typeof claimSchema>;

/** Checks the options of a claim. @returns the UUID or name of the pool, and the other options @throws ValidationError */
export function parseClaimOptions(options: ClaimOptions): { pool: string; request: ClaimRequest } {
  const { slot, ...rest } = readOptions<ClaimOptions>(options);
  const pool: unknown = reading('slot', slot, () => (typeof slot === 'object' && slot !== null ? slot.uuid : slot));
  requireText('slot', pool, 'a pool, or the UUID or name of a pool', 255);
  return { pool, request: valid.parseFields(claimSchema, rest) };
}

const addressSchema = z.strictObject({ address: valid.ipv4.optional(), signal: valid.abortSignal.optional() });

/** Checks the options `address` and `signal`. @throws ValidationError */
export const parseAddressOptions = (options: unknown) => valid.parseOptions(addressSchema, options);

const signalSchema = z.strictObject({ signal: valid.abortSignal.optional() });

const removeNodeSchema = z.strictObject({ detach: flag.default(false) });

/** Checks the options of `Host.removeNode`. @throws ValidationError */
export const parseRemoveNodeOptions = (options: unknown) =>
  valid.parseOptions(removeNodeSchema, options as object | undefined);

const moveSchema = z.strictObject({ to: valid.hostname, force: flag.default(false) });

/** Checks the options of `Network.move`. @throws ValidationError */
export const parseMoveOptions = (options: unknown) => valid.parseOptions(moveSchema, options as object);

/** Checks the option `signal`. @throws ValidationError */
export const parseSignal = (options: unknown): AbortSignal | undefined =>
  valid.parseOptions(signalSchema, options).signal;

const pingSchema = z.strictObject({
  address: valid.ipv4,
  timeout: valid.integer(1, 60_000, 'a number of milliseconds').default(1000),
  signal: valid.abortSignal.optional(),
});

/** Checks the arguments of a ping. @throws ValidationError */
export function parsePing(address: string, options: { timeout?: number; signal?: AbortSignal } | undefined) {
  return valid.parse(pingSchema, { ...readOptions(options), address });
}

/** Checks an argument that is a UUID or a name. @throws ValidationError */
export const parseNameArgument = (field: string, name: unknown, expected: string): string => {
  requireText(field, name, expected, 255);
  return name;
};

/** Checks metadata. @throws ValidationError */
export const parseMetadata = (metadata: unknown) => valid.parse(valid.metadata, metadata, 'metadata');

/** Checks an IPv4 address. @throws ValidationError */
export const parseAddressArgument = (address: unknown): string => valid.parse(valid.ipv4, address, 'address');

const reconcileSchema = z.strictObject({
  dryRun: flag.default(false),
  onProgress: progress.optional(),
  signal: valid.abortSignal.optional(),
});

/** Checks the options of `Host.reconcile`. @throws ValidationError */
export const parseReconcileOptions = (options: unknown) => valid.parseOptions(reconcileSchema, options);

const driftWatchSchema = z.strictObject({
  interval: valid.integer(10, DAY_MS, 'a number of milliseconds').default(1000),
  onRepair: z.custom<(repairs: RepairResult[]) => void>(isFunction, { error: 'a function' }).optional(),
  onError: z.custom<(error: unknown) => void>(isFunction, { error: 'a function' }).optional(),
  signal: valid.abortSignal.optional(),
});

/** Checked options of `Host.watchDrift`. */
export type DriftWatchRequest = z.output<typeof driftWatchSchema>;

/** Checks the options of `Host.watchDrift`. @throws ValidationError */
export const parseDriftWatchOptions = (options: unknown): DriftWatchRequest =>
  valid.parseOptions(driftWatchSchema, options);

const eventsSchema = z.strictObject({
  follow: flag.default(true),
  history: flag.default(false),
  after: valid.path('the id of an event').refine(isEventId, { error: 'the id of an event' }).optional(),
  subject: valid.path('a UUID or an address').optional(),
  signal: valid.abortSignal.optional(),
});

/** Checked options of `Host.events`. */
export type EventsRequest = Omit<z.output<typeof eventsSchema>, 'signal'> & { signal: AbortSignal | undefined };

/** Checks the options of `Host.events`. @throws ValidationError */
export const parseEventOptions = (options: unknown): EventsRequest => {
  const { signal, ...request } = valid.parseOptions(eventsSchema, options);
  return { ...request, signal };
};
