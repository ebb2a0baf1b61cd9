import { randomBytes } from 'node:crypto';

/** A random MAC for a link of our own: unicast, locally administered. */
export function localMac(): string {
  const bytes = randomBytes(6);
  bytes.writeUInt8((bytes.readUInt8(0) & 0xfc) | 0x02, 0);
  return (bytes.toString('hex').match(/../g) ?? []).join(':');
}
