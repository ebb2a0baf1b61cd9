import type { DnsmasqConfig, DnsmasqSupervisor } from '../dnsmasq/index.js';
import { findProgram } from '../dnsmasq/process.js';
import { parseNetblock } from '../ipam/netblock.js';
import { isMetadataAddress } from '../plan/metadata.js';
import { networkNames } from '../plan/names.js';
import type { Store } from '../store/store.js';
import { transact } from '../store/transaction.js';
import type { Capability } from '../util/capability.js';
import { membersOf } from './members.js';
import type { Settings } from './options.js';
import { requirePrivileges } from './preflight.js';
import { type InterfaceRecord, keys, type NetworkRecord } from './records.js';
import { SharedRuns } from './shared-runs.js';

/** For the ports 53 and 67, and for answers to those who have no address yet. */
const TO_SERVE: readonly Capability[] = ['CAP_NET_BIND_SERVICE', 'CAP_NET_RAW'];
/** For dnsmasq to go on as another user than root. */
const TO_STEP_DOWN: readonly Capability[] = ['CAP_SETUID', 'CAP_SETGID', 'CAP_CHOWN'];

/** In seconds. */
const LEASE_TIME = 3600;

type Services = Pick<NetworkRecord, 'provideDhcp' | 'provideDns'>;

/** The dnsmasq of each network. What it is to serve follows from the store, whoever changed that. */
export class Dhcp {
  readonly #supervisor: DnsmasqSupervisor;
  readonly #store: Store;
  readonly #settings: () => Settings;
  readonly #updates = new SharedRuns();

  constructor(supervisor: DnsmasqSupervisor, store: Store, settings: () => Settings) {
    this.#supervisor = supervisor;
    this.#store = store;
    this.#settings = settings;
  }

  /** @throws PrivilegeError, MissingProgramError if a network with these services could not be served */
  async require(services: Services): Promise<void> {
    if (!isServed(services)) return;
    await requirePrivileges('dnsmasq', process.geteuid?.() === 0 ? [...TO_SERVE, ...TO_STEP_DOWN] : TO_SERVE);
    await findProgram();
  }

  /** Makes a network's dnsmasq run, or adopts the one that does. */
  async start(network: NetworkRecord): Promise<void> {
    if (isServed(network)) await this.#supervisor.start(await this.#config(network), this.#current(network.uuid));
  }

  /** Makes its reservations those of the network's interfaces, as the store has them at the time of the call or later. */
  async update(network: NetworkRecord): Promise<void> {
    if (!isServed(network)) return;
    const { uuid } = network;
    // All interfaces are read and written: once for all who come at the same time.
    await this.#updates.run(uuid, async () =>
      this.#supervisor.update(await this.#config(network), this.#current(uuid)),
    );
  }

  /** Once an interface is no longer the network's: takes its reservation and frees its lease. */
  async release(network: NetworkRecord, nic: InterfaceRecord): Promise<void> {
    if (!isServed(network)) return;
    await this.update(network);
    await this.#supervisor.release(server(network), nic.address);
  }

  async stop(network: Services & Pick<NetworkRecord, 'uuid' | 'gateway'>): Promise<void> {
    if (isServed(network)) await this.#supervisor.stop(server(network));
  }

  /**
   * What is wrong with a network's dnsmasq, in words; undefined if nothing is.
   * @param options.files compare its files too: not while reservations are being changed
   */
  async lacking(network: NetworkRecord, options: { files: boolean }): Promise<string | undefined> {
    if (!isServed(network)) return undefined;
    return this.#supervisor.lacking(await this.#config(network), options);
  }

  /** Removes what only a host with networks needs. */
  leave(): Promise<void> {
    return this.#supervisor.leave();
  }

  /** Leaves every dnsmasq running. */
  close(): Promise<void> {
    return this.#supervisor.close();
  }

  #current(uuid: string): () => Promise<DnsmasqConfig | undefined> {
    return async () => {
      const network = (await this.#store.get<NetworkRecord>(keys.network(uuid)))?.value;
      return network === undefined || network.state === 'deleting' ? undefined : this.#config(network);
    };
  }

  /** Without dnsmasq between, instances do not reach all of them. */
  #resolvers({ provideDns }: Services): string[] {
    const { dnsServers, allowMetadata } = this.#settings();
    return provideDns || allowMetadata ? dnsServers : dnsServers.filter((address) => !isMetadataAddress(address));
  }

  async #config(network: NetworkRecord): Promise<DnsmasqConfig> {
    const settings = this.#settings();
    const members = await transact(this.#store, (transaction) => membersOf(transaction, network.uuid));
    return {
      ...server(network),
      device: networkNames(network.vni).innerInner,
      netblock: network.netblock,
      broadcast: parseNetblock('netblock', network.netblock).broadcast,
      mtu: network.mtu,
      domain: settings.domain,
      provideDhcp: network.provideDhcp,
      provideNat: network.egress !== undefined,
      provideDns: network.provideDns,
      dnsServers: this.#resolvers(network),
      leaseTime: LEASE_TIME,
      reservations: members
        .filter(({ state }) => state !== 'deleting')
        .map(({ mac, address, hostname }) => ({ mac, address, ...(hostname !== undefined && { hostname }) })),
    };
  }
}

const isServed = ({ provideDhcp, provideDns }: Services) => provideDhcp || provideDns;

const server = ({ uuid, gateway }: Pick<NetworkRecord, 'uuid' | 'gateway'>) => ({
  network: uuid,
  netns: uuid,
  gateway,
});
