import ipaddr from 'ipaddr.js';
import { ValidationError } from '../errors.js';
import { addressFromNumber, addressToNumber, parseAddress } from './address.js';

/** Ranges that no network may overlap: they are not routed, or have a special meaning. */
const UNUSABLE = [
  { cidr: '0.0.0.0/8', name: '"this network"' },
  { cidr: '127.0.0.0/8', name: 'loopback' },
  { cidr: '169.254.0.0/16', name: 'link-local' },
  { cidr: '224.0.0.0/4', name: 'multicast' },
  { cidr: '240.0.0.0/4', name: 'reserved' },
].map((range) => {
  const [first, prefix] = ipaddr.IPv4.parseCIDR(range.cidr);
  return { ...range, first: addressToNumber(first.toString()), size: 2 ** (32 - prefix) };
});

/**
 * Parses an IPv4 address of a single machine.
 * @throws ValidationError for loopback, link-local, multicast, broadcast and similar addresses
 */
export function parseUnicast(field: string, text: unknown): string {
  const number = addressToNumber(parseAddress(field, text));
  const range = UNUSABLE.find(({ first, size }) => number >= first && number < first + size);
  if (range === undefined) return text as string;
  throw new ValidationError(field, text, `a unicast IPv4 address outside the ${range.name} range ${range.cidr}`);
}

const LARGEST_PREFIX = 29;
const SMALLEST_PREFIX = 8;

/** An IPv4 network, /8 to /29. Immutable; addresses are dotted quads. */
export class Netblock {
  /** Canonical text, for example `172.16.0.0/24`. */
  readonly cidr: string;
  readonly network: string;
  readonly broadcast: string;
  /** The first host address. */
  readonly gateway: string;
  /** Dotted, for example `255.255.255.0`. */
  readonly mask: string;
  /** Number of addresses, including the reserved ones. */
  readonly size: number;

  /**
   * @param first the network address as a number
   * @param prefix length of the prefix
   */
  constructor(
    readonly first: number,
    readonly prefix: number,
  ) {
    this.size = 2 ** (32 - prefix);
    this.network = addressFromNumber(first);
    this.broadcast = addressFromNumber(first + this.size - 1);
    this.gateway = addressFromNumber(first + 1);
    this.mask = addressFromNumber(2 ** 32 - this.size);
    this.cidr = `${this.network}/${prefix}`;
  }

  contains(address: string): boolean {
    const offset = addressToNumber(address) - this.first;
    return offset >= 0 && offset < this.size;
  }

  overlaps(other: { first: number; size: number }): boolean {
    return this.first < other.first + other.size && other.first < this.first + this.size;
  }

  /** The address at an offset from the network address: 0 is the network itself, 1 the gateway. */
  at(offset: number): string {
    return addressFromNumber(this.first + offset);
  }

  toString(): string {
    return this.cidr;
  }
}

/** Returns the network of an address with a prefix length: `172.16.0.1/24` -> `172.16.0.0/24`. */
export function networkOfAddress(text: string): string {
  const [address = '', prefix = '32'] = text.split('/');
  const number = addressToNumber(address);
  return `${addressFromNumber(number - (number % 2 ** (32 - Number(prefix))))}/${prefix}`;
}

/** Cache of parsed netblocks. */
const parsed = new Map<string, Netblock>();
const KEPT = 4096;

/**
 * Parses an IPv4 network. @throws ValidationError if it is malformed, has host bits, or has a prefix or range that is
 * not allowed
 */
export function parseNetblock(field: string, text: unknown): Netblock {
  const known = typeof text === 'string' ? parsed.get(text) : undefined;
  if (known !== undefined) return known;
  const netblock = readNetblock(field, text);
  if (parsed.size >= KEPT) parsed.clear();
  parsed.set(text as string, netblock);
  return netblock;
}

function readNetblock(field: string, text: unknown): Netblock {
  const refuse = (expected: string) => new ValidationError(field, text, expected);
  if (typeof text !== 'string' || !ipaddr.IPv4.isValidCIDRFourPartDecimal(text)) {
    throw refuse('an IPv4 network such as 172.16.0.0/24');
  }
  const [address, prefix] = ipaddr.IPv4.parseCIDR(text);
  if (prefix > LARGEST_PREFIX) throw refuse(`a network of at least 8 addresses (/${LARGEST_PREFIX} or larger)`);
  if (prefix < SMALLEST_PREFIX) throw refuse(`a network of at most 2^24 addresses (/${SMALLEST_PREFIX} or smaller)`);
  const network = ipaddr.IPv4.networkAddressFromCIDR(text).toString();
  if (network !== address.toString()) throw refuse(`a network without host bits, such as ${network}/${prefix}`);
  const netblock = new Netblock(addressToNumber(network), prefix);
  const range = UNUSABLE.find((each) => netblock.overlaps(each));
  if (range !== undefined) throw refuse(`a network outside the ${range.name} range ${range.cidr}`);
  return netblock;
}
