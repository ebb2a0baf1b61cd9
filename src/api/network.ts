import { asOf, type Context, routersOf } from '../host/context.js';
import type { Subject } from '../host/events.js';
import { requirePrivileges } from '../host/privileges.js';
import { attach } from '../operations/attach.js';
import { claimSlot } from '../operations/claim.js';
import { networkCounters } from '../operations/counters.js';
import { deleteNetwork } from '../operations/delete-network.js';
import { ping } from '../operations/ping.js';
import { prepare } from '../operations/prepare.js';
import { route } from '../operations/route.js';
import { unroute } from '../operations/unroute.js';
import { findPool, readPools } from '../records/pools.js';
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
import { reading } from '../util/input.js';
import { isUuid } from '../util/validate.js';
import { ensureInterface } from './ensure.js';
import { InterfaceHandle } from './interface.js';
import {
  parseAddressArgument,
  parseAddressOptions,
  parseClaimOptions,
  parseMetadata,
  parseMoveOptions,
  parseNameArgument,
  parsePing,
  parsePoolOptions,
  parseSignal,
} from './options.js';
import { PoolHandle, poolInfo } from './pool.js';
import type {
  AddressInfo,
  AttachOptions,
  ClaimOptions,
  Interface,
  InterfaceInfo,
  Network,
  NetworkCounters,
  NetworkInfo,
  Pool,
  PoolInfo,
  PoolOptions,
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

  async attach(options: AttachOptions | ClaimOptions): Promise<Interface> {
    if (isClaim(options)) return this.#claim(options);
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

  /** Does not wait until its event is written. */
  async #claim(options: ClaimOptions): Promise<Interface> {
    const { pool, request } = parseClaimOptions(options);
    const context = this.#context;
    const uuid = isUuid(pool) ? pool : (await findPool(context, this.uuid, pool)).uuid;
    const subject = this.#subject('interface.attach');
    const began = performance.now();
    try {
      const { nic, isHit } = await claimSlot(context, this.uuid, uuid, request);
      const completed = {
        interface: nic.uuid,
        address: nic.address,
        detail: `pool ${uuid}: ${isHit ? 'hit' : 'miss'}`,
      };
      context.events.recordSoon(subject, { began, completed });
      return new InterfaceHandle(context, nic);
    } catch (error) {
      await context.events.record({ ...subject, detail: `pool ${uuid}` }, { began, error });
      throw error;
    }
  }

  async prepare(options: PoolOptions): Promise<Pool> {
    const context = this.#context;
    const request = parsePoolOptions(options);
    const subject = { ...this.#subject('pool.create'), detail: request.name };
    return new PoolHandle(context, await context.events.note(subject, () => prepare(context, this.uuid, request)));
  }

  async getPool(idOrName: string): Promise<Pool> {
    const wanted = parseNameArgument('idOrName', idOrName, 'the UUID or name of a pool');
    return new PoolHandle(this.#context, await findPool(this.#context, this.uuid, wanted));
  }

  async listPools(): Promise<PoolInfo[]> {
    return (await readPools(this.#context, this.uuid)).map(poolInfo);
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
    return ping(this.#context, this.#record, request);
  }

  async move(options: { to: string; force?: boolean }): Promise<NetworkInfo> {
    const context = this.#context;
    const request = parseMoveOptions(options);
    const subject = { ...this.#subject('network.move'), detail: request.to };
    this.#record = await context.events.note(subject, () => routersOf(context).move(this.uuid, request));
    return this.info;
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

const isClaim = (options: AttachOptions | ClaimOptions): options is ClaimOptions =>
  reading('options', options, () => typeof options === 'object' && options !== null && 'slot' in options);
