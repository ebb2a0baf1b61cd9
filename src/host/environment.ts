import type { Settings } from '../api/options.js';
import { NotFoundError, ValidationError } from '../errors.js';
import { addressToNumber } from '../ipam/address.js';
import type { Kernel } from '../kernel/kernel.js';
import type { DesiredHost } from '../plan/desired.js';
import { type HostRecord, keys } from '../records/records.js';
import type { Store } from '../store/store.js';
import { type DetectedHost, detectHost } from './detect.js';
import { systemResolvers } from './resolvers.js';

interface EnvironmentParts {
  record: HostRecord;
  /** Key of the record. Default: that of a lone host or a cluster. */
  key?: string;
  settings: Settings;
  detected: DetectedHost;
  /** Changes for a node of a cluster. */
  adapt?: {
    meshAddress?: string | undefined;
    detected: (detected: DetectedHost) => DetectedHost;
    host: (host: DesiredHost) => DesiredHost;
  };
}

/**
 * The detected properties, the settings and the desired state of the host. `refresh` updates them: NICs may appear,
 * disappear, be renamed or get other addresses or MTUs, and other processes may change settings.
 */
export class HostEnvironment {
  readonly #kernel: Kernel;
  readonly #store: Store;
  readonly #parts: EnvironmentParts;
  #host: DesiredHost;
  /** Texts about why the last `refresh` was incomplete. */
  #problems: string[] = [];

  constructor(kernel: Kernel, store: Store, parts: EnvironmentParts) {
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

  /**
   * Reads settings and NICs again. A missing NIC keeps its last known properties: operations that need it fail by
   * themselves.
   * @param options.keepsSubnets see `detectHost`
   */
  async refresh({ keepsSubnets = false } = {}): Promise<void> {
    const parts = this.#parts;
    const record = (await this.#store.get<HostRecord>(parts.key ?? keys.host))?.value;
    if (record !== undefined) {
      const { netns: _, ...changeable } = record.settings ?? {};
      parts.record = record;
      const { outboundNat, allowMetadata = false } = record;
      parts.settings = { ...parts.settings, outboundNat, allowMetadata, ...changeable };
    }
    const { netns, egressNic, meshNic } = parts.settings;
    const meshAddress = parts.adapt?.meshAddress;
    try {
      const egressBridge = parts.record.egressBridge.index;
      const names = { egressNic, meshNic, meshAddress, egressBridge, keepsSubnets };
      parts.detected = await detectHost(this.#kernel, netns, names, parts.detected);
      this.#problems = [];
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
      this.#problems = [`${error.message}: operations that need it fail until it exists again`];
    }
    this.#host = this.#desired();
  }

  /** Returns texts about problems of the host that vethwork cannot solve by itself. */
  async warnings(networks: readonly { name: string; netblock: string; mtu: number }[]): Promise<string[]> {
    const { settings, detected } = this.#parts;
    const { egressNic, meshNic, dnsServers, hasSystemResolvers } = settings;
    const warnings = [...this.#problems];
    const renamed = Object.entries({ [egressNic]: detected.egress.name, [meshNic]: detected.mesh.name });
    for (const [name, now] of renamed) {
      if (name !== now) warnings.push(`the NIC ${name} is named ${now} now: give it the alternative name ${name}`);
    }
    const found = hasSystemResolvers ? await systemResolvers() : [];
    if (hasSystemResolvers && dnsServers.length === 0) {
      warnings.push('this machine has no resolver that instances can reach: set dnsServers');
    } else if (found.length > 0 && !dnsServers.some((server) => found.includes(server))) {
      warnings.push(`instances use the resolvers ${dnsServers.join(', ')}, but this machine uses ${found.join(', ')}`);
    }
    for (const { name, netblock, mtu } of networks) {
      const clash = detected.subnets.find(({ address }) => overlap(address, netblock));
      if (clash !== undefined) {
        warnings.push(
          `the netblock ${netblock} of network ${name} overlaps ${clash.address} of ${clash.device}: instances cannot reach that subnet`,
        );
      }
      if (mtu > this.detected.mtu) {
        warnings.push(
          `network ${name} has an MTU of ${mtu}, but the mesh NIC ${detected.mesh.name} allows at most ${this.detected.mtu}`,
        );
      }
    }
    return warnings;
  }

  #desired(): DesiredHost {
    const { record, settings, detected, adapt } = this.#parts;
    const { movedTo: _moved, settings: _settings, ...recorded } = record;
    const host: DesiredHost = {
      ...recorded,
      netns: settings.netns,
      egressNic: detected.egress.name,
      meshNic: detected.mesh.index === detected.egress.index ? undefined : detected.mesh.name,
      egressMtu: detected.egressMtu,
      disableBridgeNetfilter: settings.disableBridgeNetfilter && detected.bridgeNetfilter,
      ipv6: detected.ipv6,
      fillChecksums: detected.fillChecksums,
    };
    return adapt === undefined ? host : adapt.host(host);
  }
}

/** Checks that the floating network does not overlap a subnet of the host. @throws ValidationError */
export function refuseOverlap(floatingNetwork: string, { subnets }: DetectedHost): void {
  const clash = subnets.find(({ address }) => overlap(address, floatingNetwork));
  if (clash === undefined) return;
  throw new ValidationError(
    'floatingNetwork',
    floatingNetwork,
    `a network that does not overlap ${clash.address} of ${clash.device}`,
  );
}

/** True if two CIDRs have addresses in common. */
function overlap(address: string, netblock: string): boolean {
  const [left, right] = [range(address), range(netblock)];
  return left.first < right.first + right.size && right.first < left.first + left.size;
}

/** Parses a CIDR of any prefix length: `parseNetblock` only allows those of networks. */
function range(cidr: string): { first: number; size: number } {
  const [address = '', prefix = '32'] = cidr.split('/');
  const size = 2 ** (32 - Number(prefix));
  const number = addressToNumber(address);
  return { first: number - (number % size), size };
}
