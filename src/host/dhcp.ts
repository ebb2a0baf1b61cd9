import type { Settings } from '../api/options.js';
import type { DnsmasqConfig, DnsmasqSupervisor, Reservation } from '../dnsmasq/index.js';
import { findProgram } from '../dnsmasq/process.js';
import { parseNetblock } from '../ipam/netblock.js';
import { isMetadataAddress } from '../plan/metadata.js';
import { networkNames } from '../plan/names.js';
import { membersOf } from '../records/members.js';
import { type InterfaceRecord, keys, type NetworkRecord } from '../records/records.js';
import type { Store } from '../store/store.js';
import { transact } from '../store/transaction.js';
import type { Capability } from '../util/capability.js';
import { SharedRuns } from '../util/coalesce.js';
import { requirePrivileges } from './privileges.js';

/** For the ports 53 and 67, and for replies to clients without an address. */
const SERVER_CAPABILITIES: readonly Capability[] = ['CAP_NET_BIND_SERVICE', 'CAP_NET_RAW'];
/** For a dnsmasq that is started as root and changes to another user. */
const CHANGE_USER_CAPABILITIES: readonly Capability[] = ['CAP_SETUID', 'CAP_SETGID', 'CAP_CHOWN'];

/** Lease time of DHCP, in seconds. */
const LEASE_TIME = 3600;

type Services = Pick<NetworkRecord, 'provideDhcp' | 'provideDns'>;

/** Runs the dnsmasq of each network. Its configuration is computed from the records in the store. */
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

  /** True if a network has a dnsmasq. */
  serves(services: Services): boolean {
    return isServed(services);
  }

  /** Checks that dnsmasq can be started, if the services need it. @throws PrivilegeError, MissingProgramError */
  async require(services: Services): Promise<void> {
    if (!isServed(services)) return;
    await requirePrivileges(
      'dnsmasq',
      process.geteuid?.() === 0 ? [...SERVER_CAPABILITIES, ...CHANGE_USER_CAPABILITIES] : SERVER_CAPABILITIES,
    );
    await findProgram();
  }

  /**
   * Starts the dnsmasq of a network, or adopts the one that runs.
   * @param whenReady of a new network: resolves when the namespace is there, and the gateway's address if dnsmasq is to
   *   listen there. Everything else is prepared meanwhile. If it rejects, so does the call
   */
  async start(network: NetworkRecord, whenReady?: Promise<unknown>): Promise<void> {
    if (!isServed(network)) return;
    await this.#supervisor.start(await this.#config(network), this.#current(network.uuid), whenReady);
  }

  /** Writes the DHCP reservations of a network, as recorded at the time of the call or later, and reloads dnsmasq. */
  async update(network: NetworkRecord): Promise<void> {
    if (!isServed(network)) return;
    const { uuid } = network;
    // One run reads and writes all interfaces, so concurrent calls share it.
    await this.#updates.run(uuid, async () =>
      this.#supervisor.update(await this.#config(network), this.#current(uuid)),
    );
  }

  /**
   * Adds the DHCP reservation of one interface, whose record must be committed. Every later DHCP request gets it. Takes
   * the same time for any number of reservations.
   */
  async reserve(network: NetworkRecord, nic: InterfaceRecord): Promise<void> {
    if (!isServed(network)) return;
    if (!(await this.#supervisor.reserve(network.uuid, reservationOf(nic)))) await this.update(network);
  }

  /** Replaces the reservation of an interface whose host name has changed. Its record must be committed. */
  async rename(network: NetworkRecord, nic: InterfaceRecord): Promise<void> {
    if (!isServed(network)) return;
    if (!(await this.#supervisor.replace(network.uuid, reservationOf(nic)))) await this.update(network);
  }

  /**
   * Removes the reservation of an interface and frees its lease. Its record must be in the state `deleting` or deleted.
   */
  async release(network: NetworkRecord, nic: InterfaceRecord): Promise<void> {
    if (!isServed(network)) return;
    if (!(await this.#supervisor.unreserve(network.uuid, nic))) await this.update(network);
    await this.#supervisor.release(server(network), nic.address);
  }

  /** Frees the lease of an interface whose link is down, so that it cannot get another one. */
  async releaseLease(network: NetworkRecord, { address }: Pick<InterfaceRecord, 'address'>): Promise<void> {
    if (isServed(network)) await this.#supervisor.release(server(network), address);
  }

  async stop(network: Services & Pick<NetworkRecord, 'uuid' | 'gateway'>): Promise<void> {
    if (isServed(network)) await this.#supervisor.stop(server(network));
  }

  /**
   * Returns a text about what is wrong with the dnsmasq of a network; undefined if it is correct.
   * @param options.files compares its files too; false while reservations change
   */
  async difference(network: NetworkRecord, options: { files: boolean }): Promise<string | undefined> {
    if (!isServed(network)) return undefined;
    return this.#supervisor.lacking(await this.#config(network), options);
  }

  /** Removes the runtime folder; called when the host is torn down. */
  removeFolder(): Promise<void> {
    return this.#supervisor.leave();
  }

  /** Ends the supervision. Every dnsmasq keeps running. */
  close(): Promise<void> {
    return this.#supervisor.close();
  }

  #current(uuid: string): () => Promise<DnsmasqConfig | undefined> {
    return async () => {
      const network = (await this.#store.get<NetworkRecord>(keys.network(uuid)))?.value;
      return network === undefined || network.state === 'deleting' ? undefined : this.#config(network);
    };
  }

  /**
   * Returns the resolvers that instances can reach. Metadata addresses are reachable only through dnsmasq or by option.
   */
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
      reservations: members.filter(({ state, slot }) => state !== 'deleting' || slot?.isReleasing).map(reservationOf),
    };
  }
}

const isServed = ({ provideDhcp, provideDns }: Services) => provideDhcp || provideDns;

const reservationOf = ({ mac, address, hostname, slot }: InterfaceRecord): Reservation => ({
  mac,
  address,
  ...(hostname !== undefined && !slot?.isReleasing && { hostname }),
});

const server = ({ uuid, gateway }: Pick<NetworkRecord, 'uuid' | 'gateway'>) => ({
  network: uuid,
  netns: uuid,
  gateway,
});
