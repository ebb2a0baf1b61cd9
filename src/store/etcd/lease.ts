import { randomUUID } from 'node:crypto';
import type { Etcd3, Namespace } from 'etcd3';
import { encodeValue } from '../encode.js';
import type { Json } from '../store.js';
import type { LeasedEntry } from './cluster-store.js';
import { putToken } from './commit.js';
import { renew } from './renewal.js';

/** The leases that one client renews. */
export class Leases {
  readonly #client: Etcd3;
  readonly #keys: Namespace;
  readonly #requestLimit: number;
  readonly #leases = new Set<AbortController>();

  /** @param requestLimit timeout of a single request, in milliseconds */
  constructor(client: Etcd3, keys: Namespace, requestLimit: number) {
    this.#client = client;
    this.#keys = keys;
    this.#requestLimit = requestLimit;
  }

  /**
   * Writes an entry with a lease of its own, if the key has the given version.
   * @param options.ttl in milliseconds, rounded up to whole seconds
   * @param committed awaited with the revision of the write
   */
  async put(
    key: string,
    value: Json,
    { ttl, version }: { ttl: number; version: number },
    committed: (revision: number) => Promise<void>,
  ): Promise<LeasedEntry | undefined> {
    const seconds = Math.ceil(ttl / 1000);
    const lease = this.#client.lease(seconds, { autoKeepAlive: false });
    let listener: () => void = () => undefined;
    try {
      const id = await lease.grant();
      const { succeeded, header } = await this.#keys
        .if(key, 'Mod', '==', version)
        .then(this.#keys.put(key).value(encodeValue(key, value)).lease(id), putToken(this.#keys, randomUUID()))
        .commit();
      if (!succeeded) {
        await lease.revoke();
        return undefined;
      }
      await committed(Number(header.revision));
    } catch (error) {
      await lease.revoke().catch(() => undefined);
      throw error;
    }
    const end = new AbortController();
    this.#leases.add(end);
    const onLost = () => {
      this.#leases.delete(end);
      listener();
    };
    void renew(lease, { ttl: 1000 * seconds, limit: this.#requestLimit, signal: end.signal, onLost });
    return {
      onLost: (callback) => {
        listener = callback;
      },
      update: async (next) => {
        const id = await lease.grant();
        await this.#keys.put(key).value(encodeValue(key, next)).lease(id).exec();
      },
      release: async ({ remove } = { remove: false }) => {
        listener = () => undefined;
        this.#leases.delete(end);
        end.abort();
        if (remove) await lease.revoke().catch(() => undefined);
        else lease.release();
      },
    };
  }

  /** Stops the renewal of all leases. */
  close(): void {
    for (const end of this.#leases) end.abort();
  }
}
