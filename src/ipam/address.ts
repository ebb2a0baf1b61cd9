import ipaddr from 'ipaddr.js';
import { ValidationError } from '../errors.js';

const EXPECTED = 'an IPv4 address such as 172.16.0.5';

/** True for an IPv4 address in canonical dotted form: no leading zeros, four parts. */
export function isAddress(text: unknown): text is string {
  return typeof text === 'string' && ipaddr.IPv4.isValidFourPartDecimal(text);
}

/** Parses an IPv4 address. @throws ValidationError if it is not canonical */
export function parseAddress(field: string, text: unknown): string {
  if (!isAddress(text)) throw new ValidationError(field, text, EXPECTED);
  return text;
}

/** `192.168.15.29` -> 3232239389. Takes validated addresses only. */
export function addressToNumber(address: string): number {
  return address.split('.').reduce((number, octet) => number * 256 + Number(octet), 0);
}

/** 3232239389 -> `192.168.15.29`. */
export function addressFromNumber(number: number): string {
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff).join('.');
}

/** `192.168.15.29` -> `c0a80f1d`, as in `flt-c0a80f1d-o`. */
export function addressToHex(address: string): string {
  return addressToNumber(address).toString(16).padStart(8, '0');
}

/** `192.168.15.29` -> `[192, 168, 15, 29]`. */
export const addressBytes = (address: string): number[] => address.split('.').map(Number);
