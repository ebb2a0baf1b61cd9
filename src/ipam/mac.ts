import { randomInt } from 'node:crypto';
import { ValidationError } from '../errors.js';

const EXPECTED = 'a unicast MAC address such as 02:00:00:bd:cd:9b';

/** Returns a random MAC address: `02:00:00:` (locally administered) and 24 random bits. */
export function randomMac(): string {
  const tail = randomInt(2 ** 24)
    .toString(16)
    .padStart(6, '0');
  return `02:00:00:${tail.replace(/(..)(?=.)/g, '$1:')}`;
}

/**
 * Parses a MAC address and converts it to lower case.
 * @throws ValidationError if it is malformed, multicast or all zero
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

/** True for a MAC address that is not zero. Some kinds of links have none. */
export function isMac(text: string | undefined): text is string {
  return text !== undefined && /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(text) && text !== '00:00:00:00:00:00';
}

/** First byte of the MACs of the host's own ports in a network's bridge. */
const HOST_BYTE = 'fe';

/**
 * Parses the MAC address of an instance.
 * @throws ValidationError as `parseMac`, and for a MAC that a port of the host may have
 */
export function parseInstanceMac(field: string, text: unknown): string {
  const mac = parseMac(field, text);
  if (mac.startsWith(`${HOST_BYTE}:`)) {
    throw new ValidationError(
      field,
      text,
      "a unicast MAC address that does not begin with fe, as those of the host's links do",
    );
  }
  return mac;
}

/**
 * MAC of the host's end of an instance's link: the instance's MAC with the first byte `fe`, as libvirt does. A bridge
 * takes the lowest MAC of its ports, so it never takes this one.
 */
export function hostMac(mac: string): string {
  return `${HOST_BYTE}${mac.slice(2)}`;
}

/** `02:00:00:bd:cd:9b` -> `[2, 0, 0, 189, 205, 155]`. Takes any number of bytes. */
export const hexBytes = (text: string): number[] => text.split(':').map((byte) => Number.parseInt(byte, 16));
