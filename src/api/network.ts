import { asOf, type Context } from '../host/context.js';
import type { Subject } from '../host/events.js';
import { requirePrivileges } from '../host/privileges.js';
import { attach } from '../operations/attach.js';
import { networkCounters } from '../operations/counters.js';
import { deleteNetwork } from '../operations/delete-network.js';
import { ping } from '../operations/ping.js';
import { route } from '../operations/route.js';
import { unroute } from '../operations/unroute.js';
import { changeNetwork, readMembers, readNetwork } from '../records/queries.js';
import {
  type InterfaceRecord,
  interfaceInfo,
  type NetworkRecord,
  networkInfo,
  networkPool,
} from '../records/records.js';
import type { Json } from '../store/store.js';
import { transact } from '../store/transaction.js';
import { rejectOnAbort } from '../util/abort.js';
import { ensureInterface } from './ensure.js';
import { InterfaceHandle } from './interface.js';
import { parseAddressArgument, parseAddressOptions, parseMetadata, parsePing, parseSignal } from './options.js';
import type {
  AddressInfo,
  AttachOptions,
  Interface,
  InterfaceInfo,
  Network,
  NetworkCounters,
  NetworkInfo,
  RemoveOptions,
} from './types.js';

/** Implementation of `Network`. */
export class NetworkHandle implements Network {
  readonly #context: Context;
  #record: NetworkRecord;

  constructor(context: Context, record: NetworkRecord) {
    this.#context = context;
    this.#record = record;
  }

  get uuid(): string {
    return this.#record.uuid;
  }

  get info(): NetworkInfo {
    return { ...networkInfo(this.#record), ...asOf(this.#context) };
  }

  async refresh(): Promise<NetworkInfo> {
    this.#record = await readNetwork(this.#context, this.uuid);
    return this.info;
  }

  async counters(): Promise<NetworkCounters> {
    await this.refresh();
    return networkCounters(this.#context, this.#record);
  }

  async attach(options: AttachOptions): Promise<Interface> {
    return new InterfaceHandle(this.#context, await this.#attach(options));
  }

  async ensureInterface(options: AttachOptions): Promise<Interface> {
    const context = this.#context;
    const attach = () => this.#attach(options, true);
    return new InterfaceHandle(context, await ensureInterface(context, this.uuid, options, attach));
  }

  #attach(options: AttachOptions, isOnly = false): Promise<InterfaceRecord> {
    return this.#context.events.note(
      this.#subject('interface.attach'),
      () => attach(this.#context, this.uuid, options, isOnly),
      ({ uuid, address }) => ({ interface: uuid, address }),
    );
  }

  async listInterfaces(): Promise<InterfaceInfo[]> {
    await this.refresh();
    return (await readMembers(this.#context, this.uuid)).map((record) => ({
      ...interfaceInfo(record),
      ...asOf(this.#context),
    }));
  }

  async listAddresses(): Promise<AddressInfo[]> {
    await this.refresh();
    const pool = networkPool(this.#record);
    const reservations = await transact(this.#context.store, (transaction) => pool.list(transaction));
    return reservations.flatMap(({ address, use, owner, owners = [owner], mac }) =>
      owners.map((each) => ({
        address,
        use: use as AddressInfo['use'],
        ...(each !== undefined && { interface: each }),
        ...(mac !== undefined && { mac }),
      })),
    );
  }

  async routeAddress(options?: { address?: string; signal?: AbortSignal }): Promise<string> {
    const { address, signal } = parseAddressOptions(options);
    const routed = await this.#context.events.note(
      { ...this.#subject('network.route'), ...(address !== undefined && { address }) },
      () => route(this.#context, this.uuid, { address, signal }),
      (address) => ({ address }),
    );
    await this.refresh();
    return routed;
  }

  async unrouteAddress(address: string, options?: RemoveOptions): Promise<void> {
    const checked = parseAddressArgument(address);
    const signal = parseSignal(options);
    const remove = () => unroute(this.#context, this.uuid, checked, signal);
    await rejectOnAbort(
      this.#context.events.note({ ...this.#subject('network.unroute'), address: checked }, remove),
      signal,
    );
    await this.refresh();
  }

  async ping(address: string, options?: { timeout?: number; signal?: AbortSignal }): Promise<number | undefined> {
    const request = parsePing(address, options);
    await requirePrivileges('a ping', ['CAP_NET_RAW']);
    await this.refresh();
    return ping(this.#context, this.uuid, request);
  }

  async setMetadata(metadata: Record<string, Json>): Promise<void> {
    const checked = parseMetadata(metadata);
    this.#record = await this.#context.events.note(this.#subject('network.metadata'), () =>
      changeNetwork(this.#context, this.uuid, { metadata: checked }),
    );
  }

  async delete(options?: RemoveOptions): Promise<void> {
    const signal = parseSignal(options);
    const remove = () => deleteNetwork(this.#context, this.uuid, signal);
    await rejectOnAbort(this.#context.events.note(this.#subject('network.delete'), remove), signal);
  }

  #subject(event: Subject['event']): Subject {
    return { event, cause: 'request', network: this.uuid };
  }
}
