import { randomInt } from 'node:crypto';
import { ConflictError, CongestedNetworkError, ValidationError } from '../errors.js';
import type { Transaction } from '../store/transaction.js';
import { addressToNumber, parseAddress } from './address.js';
import type { Netblock } from './netblock.js';

/** The record of an address that is not free. */
export type AddressRecord = {
  /** `interface`, `gateway`, `routed`, …; `halo` after its release. */
  use: string;
  /** UUID of the present or, in the halo, the previous owner: an interface or a network. */
  owner?: string;
  /** UUIDs of the interfaces that share an address with the use `allowed`. */
  owners?: string[];
  mac?: string;
  /** Another interface has had the address before (see `PoolOptions.remembers`). */
  isReused?: true;
  /** End of the deletion halo, in milliseconds since 1970, and its length in milliseconds. */
  until?: number;
  halo?: number;
  /** Id of the instance that had the address. It may have it again during the halo. */
  instance?: string;
};

export interface Reservation extends AddressRecord {
  address: string;
}

export interface PoolOptions {
  /** Keys are `<prefix>/<dotted address>`. */
  prefix: string;
  netblock: Netblock;
  /** Name of the network in error messages. Default: the prefix. */
  name?: string;
  /** Keep the record of a released address, as one whose halo has ended, so that `isReused` is known. Default false. */
  remembers?: boolean;
  /** Milliseconds since 1970. Default `Date.now`. */
  clock?: () => number;
}

export interface ReserveOptions {
  /** A fixed address. Default: a random free one. */
  address?: string | undefined;
  /** Name of the option in errors. Default `address`. */
  field?: string;
  /** Take a fixed address even during its deletion halo. Default false. */
  ignoreHalo?: boolean;
  /** Id of the instance. It may take a fixed address during its deletion halo if it had the address before. */
  instance?: string | undefined;
}

export interface ReleaseOptions {
  /** Deletion halo in milliseconds: how long the address is not assigned again. Default 0. */
  halo?: number;
  /** Do nothing unless the address belongs to this owner. */
  owner?: string;
  /** Id of the instance that had the address. */
  instance?: string | undefined;
}

/** The network address and the first host address (gateway) are never assigned. */
const FIRST_FREE_OFFSET = 2;
/** Number of random attempts before the free addresses are counted. Small pools are counted at once. */
const SAMPLES = 16;
const COUNTED_SIZE = 64;
/**
 * A halo that lasts longer than its length plus this many milliseconds shows that the clock was set back. Its age is
 * unknown then, and it has ended: otherwise the address would not be free until the clock is at the same time again.
 */
const CLOCK_STEP_MS = 10_000;

/**
 * The addresses of a netblock. The network address, the gateway and the broadcast address are always reserved. Used for
 * networks and for the floating network. All records are in the store; every method works within the caller's
 * transaction.
 */
export class AddressPool {
  readonly netblock: Netblock;
  readonly #prefix: string;
  readonly #name: string;
  readonly #remembers: boolean;
  readonly #clock: () => number;

  constructor({ prefix, netblock, name = prefix, remembers = false, clock = Date.now }: PoolOptions) {
    this.netblock = netblock;
    this.#prefix = prefix;
    this.#name = name;
    this.#remembers = remembers;
    this.#clock = clock;
  }

  /**
   * Reserves an address.
   * @throws ValidationError if the fixed address is outside the netblock or reserved
   * @throws ConflictError if it is in use
   * @throws CongestedNetworkError if no address is free
   */
  async reserve(transaction: Transaction, record: AddressRecord, options: ReserveOptions = {}): Promise<string> {
    const address =
      options.address === undefined
        ? ((await this.#sample(transaction)) ?? (await this.#pick(transaction)))
        : await this.#check(transaction, options.address, options);
    const key = this.#key(address);
    const isReused = this.#remembers && (await transaction.get(key)) !== undefined;
    transaction.put(key, isReused ? { ...record, isReused } : record);
    return address;
  }

  /** Releases an address. Returns true if it was in use, by the given owner. */
  async release(
    transaction: Transaction,
    address: string,
    { halo = 0, owner, instance }: ReleaseOptions = {},
  ): Promise<boolean> {
    const key = this.#key(address);
    const record = await transaction.get<AddressRecord>(key);
    if (record === undefined || record.use === 'halo') return false;
    if (owner !== undefined && record.owner !== owner) return false;
    const former = instance === undefined ? {} : { instance };
    if (halo > 0 || this.#remembers)
      transaction.put(key, { ...record, use: 'halo', until: halo > 0 ? this.#clock() + halo : 0, halo, ...former });
    else transaction.delete(key);
    return true;
  }

  /** Assigns a reserved address to another owner. Does nothing unless it belongs to the given one. */
  async assign(transaction: Transaction, address: string, { from, to }: { from: string; to: string }): Promise<void> {
    const record = await transaction.get<AddressRecord>(this.#key(address));
    if (record?.owner === from) transaction.put(this.#key(address), { ...record, owner: to });
  }

  /**
   * Adds an owner that may use an address besides its own. The address is not assigned meanwhile.
   * @throws as `reserve`, but not if others share the address
   */
  async share(transaction: Transaction, address: string, owner: string, field: string): Promise<void> {
    const record = await transaction.get<AddressRecord>(this.#key(address));
    const owners = record?.use === 'allowed' ? (record.owners ?? []) : [];
    if (owners.length === 0) await this.#check(transaction, address, { field });
    transaction.put(this.#key(address), { use: 'allowed', owners: [...owners, owner] });
  }

  /** Removes an owner from a shared address. */
  async unshare(transaction: Transaction, address: string, owner: string): Promise<void> {
    const record = await transaction.get<AddressRecord>(this.#key(address));
    if (record?.use !== 'allowed' || !record.owners?.includes(owner)) return;
    const owners = record.owners.filter((each) => each !== owner);
    if (owners.length > 0) transaction.put(this.#key(address), { use: 'allowed', owners });
    else if (this.#remembers) transaction.put(this.#key(address), { use: 'halo', until: 0, halo: 0 });
    else transaction.delete(this.#key(address));
  }

  /** Returns the record of an address. Undefined if it is free. Ignores the fixed reservations. */
  async get(transaction: Transaction, address: string): Promise<AddressRecord | undefined> {
    const record = await transaction.get<AddressRecord>(this.#key(address));
    return this.#isFree(record) ? undefined : record;
  }

  /** Lists all addresses that are not free, including the fixed reservations, sorted by address. */
  async list(transaction: Transaction): Promise<Reservation[]> {
    const { network, gateway, broadcast } = this.netblock;
    const stored = await this.#stored(transaction);
    return [
      { address: network, use: 'network' },
      { address: gateway, use: 'gateway' },
      ...stored.sort((a, b) => addressToNumber(a.address) - addressToNumber(b.address)),
      { address: broadcast, use: 'broadcast' },
    ];
  }

  /** Number of assignable addresses, and how many of them are in use, including halos. */
  async usage(transaction: Transaction): Promise<{ total: number; used: number }> {
    const { length } = await this.#stored(transaction);
    return { total: this.#capacity, used: length };
  }

  get #capacity(): number {
    return this.netblock.size - FIRST_FREE_OFFSET - 1;
  }

  #key(address: string): string {
    return `${this.#prefix}/${address}`;
  }

  #isFree(record: AddressRecord | undefined): boolean {
    if (record?.use !== 'halo') return record === undefined;
    const remaining = (record.until ?? 0) - this.#clock();
    return remaining <= 0 || remaining > (record.halo ?? remaining) + CLOCK_STEP_MS;
  }

  async #stored(transaction: Transaction): Promise<Reservation[]> {
    const entries = await transaction.list<AddressRecord>(`${this.#prefix}/`);
    return entries
      .filter(({ value }) => !this.#isFree(value))
      .map(({ key, value }) => ({ address: key.slice(this.#prefix.length + 1), ...value }));
  }

  async #check(
    transaction: Transaction,
    text: string,
    { field = 'address', ignoreHalo = false, instance }: ReserveOptions,
  ): Promise<string> {
    const address = parseAddress(field, text);
    const { cidr, network, gateway, broadcast } = this.netblock;
    if (!this.netblock.contains(address)) throw new ValidationError(field, text, `an address of ${cidr}`);
    if (address === network || address === gateway || address === broadcast) {
      throw new ValidationError(
        field,
        text,
        `an address of ${cidr} other than ${network}, ${gateway} and ${broadcast}`,
      );
    }
    const record = await transaction.get<AddressRecord>(this.#key(address));
    if (this.#isFree(record)) return address;
    if (record?.use !== 'halo') throw new ConflictError(`address ${address} of ${this.#name} is in use`);
    if (ignoreHalo || (instance !== undefined && record.instance === instance)) return address;
    const until = new Date(record.until ?? 0).toISOString();
    throw new ConflictError(`address ${address} of ${this.#name} was released recently and is reserved until ${until}`);
  }

  /**
   * Tries random addresses, which is enough unless nearly all are in use. The `get` makes the commit check the address.
   */
  async #sample(transaction: Transaction): Promise<string | undefined> {
    if (this.netblock.size <= COUNTED_SIZE) return undefined;
    for (let sample = 0; sample < SAMPLES; sample++) {
      const address = this.netblock.at(FIRST_FREE_OFFSET + randomInt(this.#capacity));
      if (this.#isFree(await transaction.get<AddressRecord>(this.#key(address)))) return address;
    }
    return undefined;
  }

  /** Picks a random free address from the list of all, with equal probability. */
  async #pick(transaction: Transaction): Promise<string> {
    const taken = new Uint8Array(this.#capacity);
    for (const { address } of await this.#stored(transaction)) {
      taken[addressToNumber(address) - this.netblock.first - FIRST_FREE_OFFSET] = 1;
    }
    for (let free = taken.reduce((count, each) => count - each, taken.length); free > 0; free--) {
      const offset = indexOfFree(taken, randomInt(free));
      const address = this.netblock.at(FIRST_FREE_OFFSET + offset);
      // The list is not checked by the commit. This `get` is.
      if (this.#isFree(await transaction.get<AddressRecord>(this.#key(address)))) return address;
      taken[offset] = 1;
    }
    throw new CongestedNetworkError(this.#name, this.netblock.cidr);
  }
}

/** Index of the n-th zero, counting from 0. */
function indexOfFree(taken: Uint8Array, n: number): number {
  let index = -1;
  for (let left = n; left >= 0; left--) index = taken.indexOf(0, index + 1);
  return index;
}
