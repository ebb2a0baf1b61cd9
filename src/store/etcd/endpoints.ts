import { BrokenCircuitError, type IPolicy, noop } from 'cockatiel';
import { isRecoverableError } from 'etcd3';

/**
 * Decides which server of etcd answers. All requests and the watch go to one server, until it fails: requests to random
 * servers would meet a dead one again and again, and the watch of another server may lag behind a commit.
 */
export class Endpoints {
  readonly #servers: readonly string[];
  #current: number;
  readonly #listeners = new Set<() => void>();

  constructor(servers: readonly string[]) {
    this.#servers = servers;
    // Clients are distributed over the servers.
    this.#current = Math.floor(Math.random() * servers.length);
  }

  /** The server that requests go to. */
  get current(): string {
    return this.#servers[this.#current] as string;
  }

  /** Registers a listener that is called when another server is chosen. Returns a function that removes it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Returns the fault handling of a server for etcd3, which tries the servers in random order: all but the current one
   * refuse. etcd3 also reports errors of streams here.
   */
  readonly policyOf = (server: string): IPolicy => ({
    _altReturn: undefined as never,
    onSuccess: noop.onSuccess,
    onFailure: noop.onFailure,
    execute: async (work, signal = new AbortController().signal) => {
      if (server !== this.current) throw new BrokenCircuitError();
      try {
        return await work({ signal });
      } catch (error) {
        if (error instanceof Error && isRecoverableError(error)) this.#leave(server);
        throw error;
      }
    },
  });

  /** Chooses the next server, unless another one has been chosen already. */
  #leave(server: string): void {
    if (server !== this.current || this.#servers.length === 1) return;
    this.#current = (this.#current + 1) % this.#servers.length;
    for (const listener of this.#listeners) listener();
  }
}
