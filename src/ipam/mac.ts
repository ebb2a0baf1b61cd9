import { randomInt } from 'node:crypto';
import { ValidationError } from '../errors.js';

const EXPECTED = 'a unicast MAC address such as 02:00:00:bd:cd:9b';

/** A MAC address for a new interface: `02:00:00:` (locally administered) and 24 random bits. */
export function randomMac(): string {
  const tail = randomInt(2 ** 24)
    .toString(16)
    .padStart(6, '0');
  return `02:00:00:${tail.replace(/(..)(?=.)/g, '$1:')}`;
}

/**
 * Six pairs of hexadecimal digits with colons, normalised to lower case.
 * @throws ValidationError if it is malformed, multicast or all zero.
 */
export function parseMac(field: string, text: unknown): string {
  if (typeof text !== 'string' || !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) {
    throw new ValidationError(field, text, EXPECTED);
  }
  const mac = text.toLowerCase();
  const multicast = Number.parseInt(mac.slice(0, 2), 16) & 1;
  if (multicast || mac === '00:00:00:00:00:00') throw new ValidationError(field, text, EXPECTED);
  return mac;
}

/**
 * The MAC of the host's end of an instance's link: its first byte replaced by `fe`, as libvirt does. It is then higher
 * than any other port's, so that a bridge never takes it for its own.
 */
export function hostMac(mac: string): string {
  return `fe${mac.slice(2)}`;
}
