import { randomUUID } from 'node:crypto';
import type { Etcd3, Lease, Namespace } from 'etcd3';
import { encodeValue } from '../encode.js';
import type { Json } from '../store.js';
import type { LeasedEntry } from './cluster-store.js';
import { putToken } from './commit.js';

/** The leases that one client renews. */
export class Leases {
  readonly #client: Etcd3;
  readonly #keys: Namespace;
  readonly #leases = new Set<Lease>();

  constructor(client: Etcd3, keys: Namespace) {
    this.#client = client;
    this.#keys = keys;
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
    const lease = this.#client.lease(Math.ceil(ttl / 1000));
    this.#leases.add(lease);
    let listener: () => void = () => undefined;
    lease.on('lost', () => listener());
    try {
      const id = await lease.grant();
      const { succeeded, header } = await this.#keys
        .if(key, 'Mod', '==', version)
        .then(this.#keys.put(key).value(encodeValue(key, value)).lease(id), putToken(this.#keys, randomUUID()))
        .commit();
      if (!succeeded) {
        this.#leases.delete(lease);
        await lease.revoke();
        return undefined;
      }
      await committed(Number(header.revision));
    } catch (error) {
      this.#leases.delete(lease);
      await lease.revoke().catch(() => undefined);
      throw error;
    }
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
        this.#leases.delete(lease);
        if (remove) await lease.revoke().catch(() => undefined);
        else lease.release();
      },
    };
  }

  /** Stops the renewal of all leases. */
  close(): void {
    for (const lease of this.#leases) lease.release();
  }
}
