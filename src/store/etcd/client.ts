import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, rootCertificates } from 'node:tls';
import { noop } from 'cockatiel';
import { Etcd3, isRecoverableError } from 'etcd3';
import { StoreError, ValidationError } from '../../errors.js';

/** Where the cluster's store is, and how to be let in. */
export interface EtcdOptions {
  /** URLs of the servers, for example `https://10.0.0.5:2379`. */
  etcd: readonly string[];
  /** Every key begins with this. Default `vethwork/`. Two clusters may share an etcd under different prefixes. */
  prefix?: string | undefined;
  /**
   * Files in PEM form: the authority that the servers' certificates come from (default: those that Node.js knows), and the
   * client's own pair. For URLs that begin with https://.
   */
  tls?: { ca?: string | undefined; cert?: string | undefined; key?: string | undefined } | undefined;
  /** With a password; neither goes into a URL. */
  username?: string | undefined;
  password?: string | undefined;
  /** How long a call tries before it fails, in seconds. Default 5. */
  timeout?: number | undefined;
}

/** Of one request; a call may make several. In milliseconds. */
const REQUEST_LIMIT = 3000;

/** @throws ValidationError if a file of `tls` can't be read, or what is in them does not fit */
export async function openEtcdClient({ etcd, tls, username, password }: EtcdOptions): Promise<Etcd3> {
  const [ca, cert, key] = await Promise.all([
    readPem('store.tls.ca', tls?.ca),
    readPem('store.tls.cert', tls?.cert),
    readPem('store.tls.key', tls?.key),
  ]);
  if (tls !== undefined) checkPems({ ca, cert, key }, tls);
  const pair = cert && key && { certChain: cert, privateKey: key };
  // Without an authority of one's own, those that Node knows.
  const authority = ca ?? Buffer.from(rootCertificates.join('\n'));
  const isSecure = etcd.some((server) => server.startsWith('https:'));
  return new Etcd3({
    hosts: [...etcd],
    ...(isSecure && { credentials: { rootCertificate: authority, ...pair } }),
    ...(username !== undefined && { auth: { username, password: password ?? '' } }),
    // Whether a request may be sent again is for its sender to say: a commit may not.
    faultHandling: { global: noop, host: () => noop },
    defaultCallOptions: ({ isStream }) => (isStream ? {} : { deadline: Date.now() + REQUEST_LIMIT }),
    grpcOptions: {
      // A server that vanished without a word is noticed; etcd refuses more frequent questions.
      'grpc.keepalive_time_ms': 6000,
      'grpc.keepalive_timeout_ms': 4000,
      'grpc.max_receive_message_length': -1,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1000,
    },
  });
}

type Tls = NonNullable<EtcdOptions['tls']>;

/** Otherwise the first connection would fail, with an error that says less. @throws ValidationError */
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

/** The server answers, but does not tell what happens. */
export class SilentWatchError extends Error {
  constructor(milliseconds: number) {
    super(`what was committed has not been heard of for ${milliseconds} ms`);
  }
}

/** True if the same request may succeed later: the server was not reached, or could not answer. */
export const isTransient = (error: unknown): boolean =>
  error instanceof SilentWatchError || (error instanceof Error && isRecoverableError(error));

/** @returns the error as callers see it */
export function asStoreError(location: string, error: unknown): Error {
  if (error instanceof StoreError || error instanceof ValidationError) return error;
  const { message } = error as Error;
  return new StoreError(location, isTransient(error) ? `the store can't be reached: ${message}` : message, {
    cause: error,
  });
}
