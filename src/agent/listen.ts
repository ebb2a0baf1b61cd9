import { chmod, lstat, rm } from 'node:fs/promises';
import { connect, isIPv4, isIPv6, type ListenOptions, type Server } from 'node:net';
import { isMainThread } from 'node:worker_threads';
import { ConflictError, ValidationError } from '../errors.js';
import * as valid from '../util/validate.js';

const FIELD = 'listen';
const EXPECTED = 'address:port (an IPv6 address in brackets), or the absolute path of a socket';
/** Longest path of a Unix socket, in bytes, without the terminating NUL (unix(7)). */
const LONGEST_PATH = 107;

/** Parses `address:port` or the absolute path of a Unix socket. @throws ValidationError */
export function parseListen(listen: unknown): ListenOptions {
  const refuse = (expected = EXPECTED) => new ValidationError(FIELD, listen, expected);
  if (typeof listen !== 'string') throw refuse();
  if (listen.startsWith('/')) {
    if (listen.includes('\0') || listen.endsWith('/')) throw refuse();
    if (Buffer.byteLength(listen) > LONGEST_PATH) throw refuse(`a path of at most ${LONGEST_PATH} bytes`);
    return { path: listen };
  }
  const [, six, name, port = ''] = /^(?:\[([^\]]*)\]|([^:[\]]+)):(\d{1,5})$/.exec(listen) ?? [];
  const isAddress = six !== undefined ? isIPv6(six) : name !== undefined && (isIPv4(name) || isHostName(name));
  if (!isAddress || Number(port) < 1 || Number(port) > 65535) throw refuse();
  return { host: six ?? (name as string), port: Number(port) };
}

/** A name of digits and dots alone is a malformed address, not a host name. */
const isHostName = (name: string) => !/^[\d.]+$/.test(name) && valid.domain.safeParse(name).success;

/**
 * Makes a server listen. A Unix socket has mode 0600. A stale socket of this user is replaced; any other file is refused.
 * @throws ValidationError, ConflictError
 */
export async function bind(server: Server, listen: string): Promise<void> {
  const place = parseListen(listen);
  if (place.path !== undefined) await removeStale(place.path);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(refusal(listen, error)));
    const isPrivate = place.path !== undefined && isMainThread;
    // `listen` creates the socket synchronously.
    const before = isPrivate ? process.umask(0o177) : undefined;
    try {
      server.listen(place, resolve);
    } finally {
      if (before !== undefined) process.umask(before);
    }
  });
  if (place.path !== undefined) await chmod(place.path, 0o600);
}

/** Removes a stale socket of this user. @throws ConflictError if the path is a file of another kind, or in use */
async function removeStale(path: string): Promise<void> {
  const there = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw refusal(path, error);
  });
  if (there === undefined) return;
  if (!there.isSocket()) throw new ConflictError(`${FIELD}: ${path} is there, and is not a socket`);
  if (there.uid !== process.geteuid?.()) {
    throw new ConflictError(`${FIELD}: the socket ${path} belongs to user ${there.uid}`);
  }
  const code = await tryToConnect(path);
  if (code === undefined) throw new ConflictError(`${FIELD}: another process listens at ${path}`);
  if (code === 'ENOENT') return;
  if (code !== 'ECONNREFUSED') throw new ConflictError(`${FIELD}: the socket ${path} is in the way (${code})`);
  await rm(path, { force: true });
}

/** Tries to connect. Resolves to the error code, or to undefined if a process accepted the connection. */
function tryToConnect(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

function refusal(listen: string, error: NodeJS.ErrnoException): Error {
  const { code } = error;
  if (code === 'EADDRINUSE') return new ConflictError(`${FIELD}: ${listen} is in use`, { cause: error });
  return new ValidationError(FIELD, listen, `an address or path that this process can listen at (${code})`);
}
