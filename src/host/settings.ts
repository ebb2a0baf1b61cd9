import type { HostRequest, Settings } from '../api/options.js';
import { ConflictError, ValidationError } from '../errors.js';
import type { HostRecord } from '../records/records.js';
import { defined } from '../util/defined.js';
import { systemResolvers } from './resolvers.js';

/*
 * Settings are recorded with the host. A process that opens the host again need not repeat them. An option that differs
 * from the recorded setting is an error unless `updateSettings` is set, because it would change the networks of all
 * processes.
 */

/** Settings that cannot change after the host is created: names, addresses and links depend on them. */
const FIXED = ['egressNic', 'floatingNetwork', 'vxlanPort'] as const;
/** Settings that change only with `updateSettings`. */
const CHANGEABLE = [
  'meshNic',
  'outboundNat',
  'allowMetadata',
  'disableBridgeNetfilter',
  'neighbourTable',
  'deletionHalo',
  'synchronousCommit',
  'dnsServers',
  'domain',
] as const;

type SettingName = (typeof FIXED)[number] | (typeof CHANGEABLE)[number] | 'netns' | 'tenant';
type RecordedSettings = Partial<Record<SettingName, unknown>>;

const DEFAULTS = {
  vxlanPort: 4789,
  outboundNat: false,
  allowMetadata: false,
  disableBridgeNetfilter: false,
  deletionHalo: 300_000,
  synchronousCommit: true,
  domain: 'vethwork.internal',
  tenant: 'system',
} as const;

/** Returns the settings in the record of a host. */
export function recordedSettings(record: HostRecord | undefined): RecordedSettings {
  if (record === undefined) return {};
  const { egressNic, floatingNetwork, vxlanPort, outboundNat, allowMetadata, settings } = record;
  return { egressNic, floatingNetwork, vxlanPort, outboundNat, allowMetadata, ...settings };
}

/**
 * Returns the effective settings: the option of the caller, else the recorded value, else the default.
 * @param where text for the store in messages
 * @returns `changed`: names of the settings that differ from the recorded ones
 * @throws ValidationError if a setting without a default is missing; ConflictError for an option that differs from the
 *   recorded setting, without `updateSettings` or for a setting that cannot change
 */
export async function effectiveSettings(
  given: HostRequest,
  record: HostRecord | undefined,
  where: string,
): Promise<{ settings: Settings; changed: string[] }> {
  const known = recordedSettings(record);
  const differs = (field: SettingName) =>
    given[field] !== undefined && known[field] !== undefined && !isSame(given[field], known[field]);
  for (const field of FIXED.filter(differs)) {
    throw new ConflictError(`${field} is ${known[field]} in ${where}, so it can't be ${given[field]}`);
  }
  const changed = CHANGEABLE.filter(differs);
  const [first] = changed;
  if (first !== undefined && !given.updateSettings) {
    throw new ConflictError(
      `${first} is ${JSON.stringify(known[first])} in ${where}, not ${JSON.stringify(given[first])}: ` +
        'omit it, or change it for all processes with updateSettings (vethwork init)',
    );
  }
  const { egressNic, floatingNetwork, ...rest } = { ...DEFAULTS, ...known, ...defined(given) };
  if (egressNic === undefined)
    throw new ValidationError('egressNic', undefined, 'the name of a NIC: it is required for a new host');
  if (floatingNetwork === undefined) {
    throw new ValidationError('floatingNetwork', undefined, 'an IPv4 network: it is required for a new host');
  }
  const dnsServers = (rest.dnsServers as string[] | undefined) ?? (await systemResolvers());
  const hasSystemResolvers = given.dnsServers === undefined && (record?.settings?.hasSystemResolvers ?? true);
  const settings = { ...rest, egressNic, floatingNetwork, dnsServers, hasSystemResolvers } as Settings;
  return { settings: { ...settings, meshNic: settings.meshNic ?? egressNic }, changed };
}

/** Returns the properties of the record of a host that are settings. */
export function settingsRecord(settings: Settings): Pick<HostRecord, 'outboundNat' | 'allowMetadata' | 'settings'> {
  const { outboundNat, allowMetadata, netns, meshNic, disableBridgeNetfilter, deletionHalo, domain, tenant } = settings;
  const { dnsServers, hasSystemResolvers, neighbourTable, synchronousCommit } = settings;
  return {
    outboundNat,
    allowMetadata,
    settings: {
      ...{ meshNic, disableBridgeNetfilter, deletionHalo, synchronousCommit },
      ...{ dnsServers, hasSystemResolvers, domain, tenant },
      ...(neighbourTable !== undefined && { neighbourTable }),
      // A pid is not recorded: the kernel reuses it.
      ...(typeof netns === 'string' && { netns }),
    },
  };
}

function isSame(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}
