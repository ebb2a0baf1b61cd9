import { randomBytes } from 'node:crypto';

/** A random MAC for a link of our own: unicast, locally administered, and no `fe:…`, which ports have (`hostMac`). */
export function localMac(): string {
  const bytes = randomBytes(6);
  bytes.writeUInt8((bytes.readUInt8(0) & 0x7c) | 0x02, 0);
  return (bytes.toString('hex').match(/../g) ?? []).join(':');
}
