import { randomInt } from 'node:crypto';
import { ConflictError, CongestedNetworkError, ValidationError } from '../errors.js';
import type { Transaction } from '../store/transaction.js';
import { addressToNumber, parseAddress } from './address.js';
import type { Netblock } from './netblock.js';

/** What is remembered of an address that is not free. */
export type AddressRecord = {
  /** What for: `interface`, `gateway`, `routed`, …; `halo` after its release. */
  use: string;
  /** UUID of the interface or network that has, or had, it. */
  owner?: string;
  /** UUIDs of those that share it, where its use is `allowed`: none of them has it as its own. */
  owners?: string[];
  mac?: string;
  /** End of the deletion halo, in ms since 1970. */
  until?: number;
};

export interface Reservation extends AddressRecord {
  address: string;
}

export interface PoolOptions {
  /** Keys are `<prefix>/<dotted address>`. */
  prefix: string;
  netblock: Netblock;
  /** How error messages call the network. Default: the prefix. */
  name?: string;
  /** Milliseconds since 1970. Default `Date.now`. */
  clock?: () => number;
}

export interface ReserveOptions {
  /** This very address; a random free one if absent. */
  address?: string | undefined;
  /** How errors call the option that names it. Default `address`. */
  field?: string;
  /** Take the fixed address even within its deletion halo. Default false. */
  ignoreHalo?: boolean;
}

export interface ReleaseOptions {
  /** For how long nobody else gets the address, in ms. Default 0. */
  halo?: number;
  /** Do nothing unless the address belongs to this owner (a late event of an earlier one). */
  owner?: string;
}

/** Offsets that are never given away: the network's own address and the first, which is the gateway's. */
const FIRST_FREE_OFFSET = 2;
/** How many addresses are tried at random before the free ones are counted; small pools are counted at once. */
const SAMPLES = 16;
const COUNTED_SIZE = 64;

/**
 * The addresses of a netblock, of which the network's, the broadcast and the first are reserved implicitly. Serves the
 * networks and the floating network alike. All that is remembered is in the store; every method works within the
 * caller's transaction.
 */
export class AddressPool {
  readonly netblock: Netblock;
  readonly #prefix: string;
  readonly #name: string;
  readonly #clock: () => number;

  constructor({ prefix, netblock, name = prefix, clock = Date.now }: PoolOptions) {
    this.netblock = netblock;
    this.#prefix = prefix;
    this.#name = name;
    this.#clock = clock;
  }

  /**
   * Takes an address.
   * @throws ValidationError if the fixed address is outside the netblock or reserved
   * @throws ConflictError if it is taken
   * @throws CongestedNetworkError if none is free
   */
  async reserve(transaction: Transaction, record: AddressRecord, options: ReserveOptions = {}): Promise<string> {
    const address =
      options.address === undefined
        ? ((await this.#sample(transaction)) ?? (await this.#pick(transaction)))
        : await this.#check(transaction, options.address, options);
    transaction.put(this.#key(address), record);
    return address;
  }

  /** Gives an address back. True if it was taken (and belonged to the owner named). */
  async release(transaction: Transaction, address: string, { halo = 0, owner }: ReleaseOptions = {}): Promise<boolean> {
    const key = this.#key(address);
    const record = await transaction.get<AddressRecord>(key);
    if (record === undefined || record.use === 'halo') return false;
    if (owner !== undefined && record.owner !== owner) return false;
    if (halo > 0) transaction.put(key, { ...record, use: 'halo', until: this.#clock() + halo });
    else transaction.delete(key);
    return true;
  }

  /**
   * Lets one more owner use an address beside its own; nobody is given it meanwhile.
   * @throws as `reserve`, but not if others share it
   */
  async share(transaction: Transaction, address: string, owner: string, field: string): Promise<void> {
    const record = await transaction.get<AddressRecord>(this.#key(address));
    const owners = record?.use === 'allowed' ? (record.owners ?? []) : [];
    if (owners.length === 0) await this.#check(transaction, address, { field });
    transaction.put(this.#key(address), { use: 'allowed', owners: [...owners, owner] });
  }

  /** Takes that back. */
  async unshare(transaction: Transaction, address: string, owner: string): Promise<void> {
    const record = await transaction.get<AddressRecord>(this.#key(address));
    if (record?.use !== 'allowed' || !record.owners?.includes(owner)) return;
    const owners = record.owners.filter((each) => each !== owner);
    if (owners.length > 0) transaction.put(this.#key(address), { use: 'allowed', owners });
    else transaction.delete(this.#key(address));
  }

  /** Who has the address; undefined if it is free. The implicit reservations are not looked at. */
  async get(transaction: Transaction, address: string): Promise<AddressRecord | undefined> {
    const record = await transaction.get<AddressRecord>(this.#key(address));
    return this.#isFree(record) ? undefined : record;
  }

  /** Every address that is not free, the implicit reservations included, in the order of addresses. */
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

  /** Addresses that can be given away in all, and those of them that are taken (halos included). */
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
    return record === undefined || (record.use === 'halo' && (record.until ?? 0) <= this.#clock());
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
    { field = 'address', ignoreHalo = false }: ReserveOptions,
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
    if (ignoreHalo) return address;
    const until = new Date(record.until ?? 0).toISOString();
    throw new ConflictError(`address ${address} of ${this.#name} was released a moment ago and is kept until ${until}`);
  }

  /** Tries some at random: enough unless nearly all are taken. The `get` also guards the address until the commit. */
  async #sample(transaction: Transaction): Promise<string | undefined> {
    if (this.netblock.size <= COUNTED_SIZE) return undefined;
    for (let sample = 0; sample < SAMPLES; sample++) {
      const address = this.netblock.at(FIRST_FREE_OFFSET + randomInt(this.#capacity));
      if (this.#isFree(await transaction.get<AddressRecord>(this.#key(address)))) return address;
    }
    return undefined;
  }

  /** Lists what is taken and picks one of the rest, all being equally likely. */
  async #pick(transaction: Transaction): Promise<string> {
    const taken = new Uint8Array(this.#capacity);
    for (const { address } of await this.#stored(transaction)) {
      taken[addressToNumber(address) - this.netblock.first - FIRST_FREE_OFFSET] = 1;
    }
    for (let free = taken.reduce((count, each) => count - each, taken.length); free > 0; free--) {
      const offset = indexOfFree(taken, randomInt(free));
      const address = this.netblock.at(FIRST_FREE_OFFSET + offset);
      // The list is older than this guarded look, so the address may be gone by now.
      if (this.#isFree(await transaction.get<AddressRecord>(this.#key(address)))) return address;
      taken[offset] = 1;
    }
    throw new CongestedNetworkError(this.#name, this.netblock.cidr);
  }
}

/** Index of the n-th zero, counted from 0. */
function indexOfFree(taken: Uint8Array, n: number): number {
  let index = -1;
  for (let left = n; left >= 0; left--) index = taken.indexOf(0, index + 1);
  return index;
}
