import { chmod, lstat, rm } from 'node:fs/promises';
import { connect, isIPv4, isIPv6, type ListenOptions, type Server } from 'node:net';
import { isMainThread } from 'node:worker_threads';
import { ConflictError, ValidationError } from '../errors.js';
import * as valid from '../util/validate.js';

const FIELD = 'listen';
const EXPECTED = 'address:port (an IPv6 address in brackets), or the absolute path of a socket';
/** Of the path of a socket, in bytes, without the NUL at its end (unix(7)). */
const LONGEST_PATH = 107;

/** @throws ValidationError */
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

/** What consists of digits and dots alone is meant to be an address. */
const isHostName = (name: string) => !/^[\d.]+$/.test(name) && valid.domain.safeParse(name).success;

/**
 * Has a server listen. A socket of the file system is open to this user alone; one that another process of this user has
 * left behind is replaced, and nothing else.
 * @throws ValidationError, ConflictError
 */
export async function bind(server: Server, listen: string): Promise<void> {
  const place = parseListen(listen);
  if (place.path !== undefined) await removeStale(place.path);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(refusal(listen, error)));
    const isPrivate = place.path !== undefined && isMainThread;
    // The socket is made within the call.
    const before = isPrivate ? process.umask(0o177) : undefined;
    try {
      server.listen(place, resolve);
    } finally {
      if (before !== undefined) process.umask(before);
    }
  });
  if (place.path !== undefined) await chmod(place.path, 0o600);
}

/** @throws ConflictError unless there is nothing, or a socket of ours that nobody listens at */
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

/** Why nobody answers; undefined if somebody does. */
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
