import type { HostRequest, Settings } from '../api/options.js';
import { ConflictError, ValidationError } from '../errors.js';
import type { HostRecord } from '../records/records.js';
import { systemResolvers } from './resolvers.js';

/*
 * Settings are remembered with the host. Who opens it again need not repeat them, and who leaves one out does not change
 * it: a process with other options would otherwise change the networks of all.
 */

/** Never changed after `openHost` has made the host: names, addresses and links follow from them. */
const FIXED = ['egressNic', 'floatingNetwork', 'vxlanPort'] as const;
/** Changed only where the caller says so (`updateSettings`). */
const CHANGEABLE = [
  'meshNic',
  'outboundNat',
  'allowMetadata',
  'disableBridgeNetfilter',
  'neighbourTable',
  'deletionHalo',
  'dnsServers',
  'domain',
] as const;

type Known = (typeof FIXED)[number] | (typeof CHANGEABLE)[number] | 'netns' | 'tenant';
type Remembered = Partial<Record<Known, unknown>>;

const DEFAULTS = {
  vxlanPort: 4789,
  outboundNat: false,
  allowMetadata: false,
  disableBridgeNetfilter: false,
  deletionHalo: 300_000,
  domain: 'vethwork.internal',
  tenant: 'system',
} as const;

/** What a host's record remembers of its settings. */
export function rememberedSettings(record: HostRecord | undefined): Remembered {
  if (record === undefined) return {};
  const { egressNic, floatingNetwork, vxlanPort, outboundNat, allowMetadata, settings } = record;
  return { egressNic, floatingNetwork, vxlanPort, outboundNat, allowMetadata, ...settings };
}

/**
 * The settings that are in force: what was remembered, then what was given, then the defaults.
 * @param where they are remembered, as error messages call it
 * @returns also the names of settings that the caller changes
 * @throws ValidationError if one is missing that has no default, ConflictError for one that was remembered with another value
 */
export async function settingsInForce(
  given: HostRequest,
  record: HostRecord | undefined,
  where: string,
): Promise<{ settings: Settings; changed: string[] }> {
  const known = rememberedSettings(record);
  const differs = (field: Known) =>
    given[field] !== undefined && known[field] !== undefined && !isSame(given[field], known[field]);
  for (const field of FIXED.filter(differs)) {
    throw new ConflictError(`${field} is ${known[field]} in ${where}, so it can't be ${given[field]}`);
  }
  const changed = CHANGEABLE.filter(differs);
  const [first] = changed;
  if (first !== undefined && !given.updateSettings) {
    throw new ConflictError(
      `${first} is ${JSON.stringify(known[first])} in ${where}, not ${JSON.stringify(given[first])}: ` +
        'leave it out, or change it for all with updateSettings (vethwork init)',
    );
  }
  const defined = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as HostRequest;
  const { egressNic, floatingNetwork, ...rest } = { ...DEFAULTS, ...known, ...defined };
  if (egressNic === undefined) throw new ValidationError('egressNic', undefined, 'the name of a NIC: the host is new');
  if (floatingNetwork === undefined) {
    throw new ValidationError('floatingNetwork', undefined, 'an IPv4 network: the host is new');
  }
  const dnsServers = (rest.dnsServers as string[] | undefined) ?? (await systemResolvers());
  const hasSystemResolvers = given.dnsServers === undefined && (record?.settings?.hasSystemResolvers ?? true);
  const settings = { ...rest, egressNic, floatingNetwork, dnsServers, hasSystemResolvers } as Settings;
  return { settings: { ...settings, meshNic: settings.meshNic ?? egressNic }, changed };
}

/** The part of a host's record that follows from its settings. */
export function settingsRecord(settings: Settings): Pick<HostRecord, 'outboundNat' | 'allowMetadata' | 'settings'> {
  const { outboundNat, allowMetadata, netns, meshNic, disableBridgeNetfilter, deletionHalo, domain, tenant } = settings;
  const { dnsServers, hasSystemResolvers, neighbourTable } = settings;
  return {
    outboundNat,
    allowMetadata,
    settings: {
      ...{ meshNic, disableBridgeNetfilter, deletionHalo },
      ...{ dnsServers, hasSystemResolvers, domain, tenant },
      ...(neighbourTable !== undefined && { neighbourTable }),
      // A pid is another process's soon.
      ...(typeof netns === 'string' && { netns }),
    },
  };
}

function isSame(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}
