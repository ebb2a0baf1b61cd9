import { chmodSync, chownSync } from 'node:fs';
import { ConflictError } from '../errors.js';
import { errnoName } from '../kernel/errno.js';
import { shareFile } from '../kernel/native.js';
import type { Reader } from './user.js';

/**
 * Gives dnsmasq's account access to a file or folder, and no other account. Uses the group if the account has a group
 * of its own, and otherwise an access control list.
 * Synchronous: it takes microseconds, because the files are in memory (/run).
 * @param permissions as the three bits of a mode
 * @throws ConflictError if neither is possible
 */
export function share(file: string, reader: Reader, permissions: { owner: number; reader: number }): void {
  if (reader.gid !== undefined) {
    chownSync(file, -1, reader.gid);
    chmodSync(file, (permissions.owner << 6) | (permissions.reader << 3));
    return;
  }
  const errno = shareFile(file, permissions.owner, reader.uid, permissions.reader);
  if (errno === 0) return;
  throw new ConflictError(
    `only the user ${reader.user} may read ${file}, but its permissions cannot be set (${errnoName(errno)}): give that user its own group`,
  );
}
