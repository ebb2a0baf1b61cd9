import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, rootCertificates } from 'node:tls';
import { noop } from 'cockatiel';
import { Etcd3, isRecoverableError } from 'etcd3';
import { StoreError, ValidationError } from '../../errors.js';
import { Endpoints } from './endpoints.js';

/** Address of the cluster's store, and credentials. */
export interface EtcdOptions {
  /** URLs of the servers, for example `https://10.0.0.5:2379`. */
  etcd: readonly string[];
  /** Prefix of every key. Default `vethwork/`. Two clusters may share an etcd server with different prefixes. */
  prefix?: string | undefined;
  /**
   * Paths of PEM files: the certificate authority of the servers (default: the authorities that Node.js knows), and the
   * client's certificate and key. For URLs that begin with https://.
   */
  tls?: { ca?: string | undefined; cert?: string | undefined; key?: string | undefined } | undefined;
  /** User and password. Both are needed; neither may be part of a URL. */
  username?: string | undefined;
  password?: string | undefined;
  /** Request timeout of a call with all its retries, in milliseconds. Default 5000. */
  timeout?: number | undefined;
}

/**
 * Timeout of a single request, in milliseconds. A call may send several. With several servers, the next one is asked
 * after it.
 */
const requestLimit = (servers: number) => (servers > 1 ? 1000 : 3000);

/** A client of etcd. */
export interface EtcdClient {
  client: Etcd3;
  endpoints: Endpoints;
  /** Timeout of a single request, in milliseconds. */
  requestLimit: number;
}

/** Opens a client. @throws ValidationError if a file of `tls` can't be read, or its content is not usable */
export async function openEtcdClient({ etcd, tls, username, password }: EtcdOptions): Promise<EtcdClient> {
  const [ca, cert, key] = await Promise.all([
    readPem('store.tls.ca', tls?.ca),
    readPem('store.tls.cert', tls?.cert),
    readPem('store.tls.key', tls?.key),
  ]);
  if (tls !== undefined) checkPems({ ca, cert, key }, tls);
  const pair = cert && key && { certChain: cert, privateKey: key };
  // The default is the list of authorities that Node.js contains.
  const authority = ca ?? Buffer.from(rootCertificates.join('\n'));
  const isSecure = etcd.some((server) => server.startsWith('https:'));
  const endpoints = new Endpoints(etcd);
  const limit = requestLimit(etcd.length);
  const client = new Etcd3({
    hosts: [...etcd],
    ...(isSecure && { credentials: { rootCertificate: authority, ...pair } }),
    ...(username !== undefined && { auth: { username, password: password ?? '' } }),
    // etcd3 retries nothing: only the caller knows whether a request may be repeated. A commit may not.
    faultHandling: { global: noop, host: endpoints.policyOf },
    defaultCallOptions: ({ isStream }) => (isStream ? {} : { deadline: Date.now() + limit }),
    grpcOptions: {
      // Keepalive detects a server that does not answer any more. etcd refuses shorter intervals.
      'grpc.keepalive_time_ms': 6000,
      'grpc.keepalive_timeout_ms': 4000,
      'grpc.max_receive_message_length': -1,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1000,
    },
  });
  return { client, endpoints, requestLimit: limit };
}

type Tls = NonNullable<EtcdOptions['tls']>;

/**
 * Checks the files before the first connection, which would fail with a less specific error. @throws ValidationError
 */
function checkPems({ ca, cert, key }: { [Part in keyof Tls]-?: Buffer | undefined }, paths: Tls): void {
  const attempts = [
    ['store.tls.ca', ca && (() => new X509Certificate(ca)), paths.ca, 'certificates in PEM form'],
    ['store.tls.cert', cert && (() => new X509Certificate(cert)), paths.cert, 'a certificate in PEM form'],
    ['store.tls.key', key && (() => createPrivateKey(key)), paths.key, 'a key in PEM form, without a passphrase'],
    ['store.tls.key', cert && key && (() => createSecureContext({ cert, key })), paths.key, 'the key of tls.cert'],
  ] as const;
  for (const [field, attempt, path, expected] of attempts) {
    try {
      attempt?.();
    } catch {
      throw new ValidationError(field, path, `a file with ${expected}`);
    }
  }
}

async function readPem(field: string, path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path);
  } catch (error) {
    throw new ValidationError(field, path, `a file that can be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

/** The server answers requests, but its watch does not report a commit. */
export class WatchStalledError extends Error {
  constructor(milliseconds: number) {
    super(`the watch has not reported a commit for ${milliseconds} ms`);
  }
}

/** True if the same request may succeed later: the server was not reached, or could not answer. */
export const isTransient = (error: unknown): boolean =>
  error instanceof WatchStalledError || (error instanceof Error && isRecoverableError(error));

/** Converts an error of etcd3 to the error that callers get. */
export function asStoreError(location: string, error: unknown): Error {
  if (error instanceof StoreError || error instanceof ValidationError) return error;
  const { message } = error as Error;
  return new StoreError(location, isTransient(error) ? `the store can't be reached: ${message}` : message, {
    cause: error,
  });
}
