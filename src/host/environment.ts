import type { Settings } from '../api/options.js';
import { NotFoundError, ValidationError } from '../errors.js';
import { addressToNumber } from '../ipam/address.js';
import type { Kernel } from '../kernel/kernel.js';
import type { DesiredHost } from '../plan/desired.js';
import { type HostRecord, keys } from '../records/records.js';
import type { Store } from '../store/store.js';
import { type DetectedHost, detectHost } from './detect.js';
import { systemResolvers } from './resolvers.js';

interface Parts {
  record: HostRecord;
  settings: Settings;
  detected: DetectedHost;
  /** What a node of a cluster has different. */
  adapt?: {
    underlayAddress?: string | undefined;
    detected: (detected: DetectedHost) => DetectedHost;
    host: (host: DesiredHost) => DesiredHost;
  };
}

/**
 * The host as it is to be. It follows what changes while the host is open: NICs that come, go, are renamed or get other
 * addresses or MTUs, and settings that another process changes.
 */
export class HostEnvironment {
  readonly #kernel: Kernel;
  readonly #store: Store;
  readonly #parts: Parts;
  #host: DesiredHost;
  /** What keeps the host from being followed, in words. */
  #trouble: string[] = [];

  constructor(kernel: Kernel, store: Store, parts: Parts) {
    this.#kernel = kernel;
    this.#store = store;
    this.#parts = parts;
    this.#host = this.#desired();
  }

  get host(): DesiredHost {
    return this.#host;
  }

  get detected(): DetectedHost {
    const { detected, adapt } = this.#parts;
    return adapt === undefined ? detected : adapt.detected(detected);
  }

  get settings(): Settings {
    return this.#parts.settings;
  }

  /** Looks again. A NIC that is gone stays as it was: what needs it fails by itself, and the rest goes on. */
  async refresh(): Promise<void> {
    const parts = this.#parts;
    const record = (await this.#store.get<HostRecord>(keys.host))?.value;
    if (record !== undefined) {
      const { netns: _, ...changeable } = record.settings ?? {};
      parts.record = record;
      const { outboundNat, allowMetadata = false } = record;
      parts.settings = { ...parts.settings, outboundNat, allowMetadata, ...changeable };
    }
    const { netns, egressNic, meshNic } = parts.settings;
    const underlayAddress = parts.adapt?.underlayAddress;
    try {
      parts.detected = await detectHost(this.#kernel, netns, { egressNic, meshNic, underlayAddress }, parts.detected);
      this.#trouble = [];
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
      this.#trouble = [`${error.message}: what needs it does not work until it is back`];
    }
    this.#host = this.#desired();
  }

  /** What is wrong with the host, or likely to be, and can't be followed. */
  async warnings(networks: readonly { name: string; netblock: string; mtu: number }[]): Promise<string[]> {
    const { settings, detected } = this.#parts;
    const { egressNic, meshNic, dnsServers, hasSystemResolvers } = settings;
    const warnings = [...this.#trouble];
    const renamed = Object.entries({ [egressNic]: detected.egress.name, [meshNic]: detected.mesh.name });
    for (const [name, now] of renamed) {
      if (name !== now) warnings.push(`the NIC ${name} is named ${now} now: give it the alternative name ${name}`);
    }
    const found = hasSystemResolvers ? await systemResolvers() : [];
    if (hasSystemResolvers && dnsServers.length === 0) {
      warnings.push('this machine names no resolver that instances can reach: give dnsServers');
    } else if (found.length > 0 && !dnsServers.some((server) => found.includes(server))) {
      warnings.push(
        `instances are given the resolvers ${dnsServers.join(', ')}, but this machine uses ${found.join(', ')}`,
      );
    }
    for (const { name, netblock, mtu } of networks) {
      const clash = detected.subnets.find(({ address }) => overlap(address, netblock));
      if (clash !== undefined) {
        warnings.push(
          `the netblock ${netblock} of network ${name} overlaps ${clash.address} of ${clash.device}: its instances can't reach that`,
        );
      }
      if (mtu > this.detected.mtu) {
        warnings.push(
          `network ${name} has an MTU of ${mtu}, of which the mesh NIC ${detected.mesh.name} takes ${this.detected.mtu} only`,
        );
      }
    }
    return warnings;
  }

  #desired(): DesiredHost {
    const { record, settings, detected, adapt } = this.#parts;
    const { movedTo: _moved, settings: _settings, ...wish } = record;
    const host: DesiredHost = {
      ...wish,
      netns: settings.netns,
      egressNic: detected.egress.name,
      meshNic: detected.mesh.index === detected.egress.index ? undefined : detected.mesh.name,
      egressMtu: detected.egressMtu,
      disableBridgeNetfilter: settings.disableBridgeNetfilter && detected.bridgeNetfilter,
      ipv6: detected.ipv6,
    };
    return adapt === undefined ? host : adapt.host(host);
  }
}

/** @throws ValidationError if the host would lose what it reaches through a NIC */
export function refuseOverlap(floatingNetwork: string, { subnets }: DetectedHost): void {
  const clash = subnets.find(({ address }) => overlap(address, floatingNetwork));
  if (clash === undefined) return;
  throw new ValidationError(
    'floatingNetwork',
    floatingNetwork,
    `a network apart from ${clash.address}, which the host has on ${clash.device}`,
  );
}

/** Whether an address with its prefix, and a netblock, have addresses in common. */
function overlap(address: string, netblock: string): boolean {
  const [left, right] = [range(address), range(netblock)];
  return left.first < right.first + right.size && right.first < left.first + left.size;
}

/** Of any prefix length: the host's own networks may be larger or smaller than networks of vethwork can be. */
function range(cidr: string): { first: number; size: number } {
  const [address = '', prefix = '32'] = cidr.split('/');
  const size = 2 ** (32 - Number(prefix));
  const number = addressToNumber(address);
  return { first: number - (number % size), size };
}
