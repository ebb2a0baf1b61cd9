import type { Json } from '../store/store.js';
import { transact } from '../store/transaction.js';
import type { Context } from './context.js';
import { InterfaceHandle } from './interface.js';
import { attach } from './interface-lifecycle.js';
import { removeNetwork } from './network-lifecycle.js';
import { parseAddressArgument, parseAddressOption, parseMetadata, parsePing } from './options.js';
import { interfaceInfo, type NetworkRecord, networkInfo, networkPool } from './records.js';
import { changeNetwork, readMembers, readNetwork } from './registry.js';
import { route, unroute } from './routed.js';
import type { AddressInfo, AttachOptions, Interface, InterfaceInfo, Network, NetworkInfo } from './types.js';

/** @see Network */
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
    return networkInfo(this.#record);
  }

  async refresh(): Promise<NetworkInfo> {
    this.#record = await readNetwork(this.#context, this.uuid);
    return this.info;
  }

  async attach(options: AttachOptions): Promise<Interface> {
    return new InterfaceHandle(this.#context, await attach(this.#context, this.uuid, options));
  }

  async listInterfaces(): Promise<InterfaceInfo[]> {
    await this.refresh();
    return (await readMembers(this.#context, this.uuid)).map(interfaceInfo);
  }

  async listAddresses(): Promise<AddressInfo[]> {
    await this.refresh();
    const pool = networkPool(this.#record);
    const reservations = await transact(this.#context.store, (transaction) => pool.list(transaction));
    return reservations.map(({ address, use, owner, mac }) => ({
      address,
      use: use as AddressInfo['use'],
      ...(owner !== undefined && { interface: owner }),
      ...(mac !== undefined && { mac }),
    }));
  }

  async routeAddress(options?: { address?: string }): Promise<string> {
    const address = await route(this.#context, this.uuid, parseAddressOption(options));
    await this.refresh();
    return address;
  }

  async unroute(address: string): Promise<void> {
    await unroute(this.#context, this.uuid, parseAddressArgument(address));
    await this.refresh();
  }

  async ping(address: string, options?: { timeout?: number }): Promise<number | undefined> {
    const checked = parsePing(address, options);
    await this.refresh();
    return this.#context.kernel.ping(checked.address, { netns: this.uuid, timeout: checked.timeout });
  }

  async setMetadata(metadata: Record<string, Json>): Promise<void> {
    const checked = parseMetadata(metadata);
    this.#record = await changeNetwork(this.#context, this.uuid, { metadata: checked });
  }

  async delete(): Promise<void> {
    const { locks } = this.#context;
    await locks.exclusive(this.uuid, () => removeNetwork(this.#context, this.uuid));
  }
}
