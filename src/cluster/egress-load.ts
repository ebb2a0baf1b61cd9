import { type InterfaceRecord, keys, type NetworkRecord } from '../records/records.js';
import type { ClusterStore } from '../store/etcd/cluster-store.js';
import { routerIn } from './network-nodes.js';

/** What a network node carries. */
export interface NodeLoad {
  networks: number;
  /** Ports of its egress bridge: one for each network with NAT, and for each floating address. */
  ports: number;
}

type Part = { router: string; ports: number };

/** Counts the networks and egress ports of each network node. A change of the store costs the same at any size. */
export class EgressLoad {
  readonly #store: ClusterStore;
  readonly #networks = new Map<string, Part>();
  /** Number of floating addresses by network. */
  readonly #floating = new Map<string, number>();
  readonly #nodes = new Map<string, NodeLoad>();
  #isFollowing = false;

  constructor(store: ClusterStore) {
    this.#store = store;
  }

  of(node: string): NodeLoad {
    this.#follow();
    return this.#nodes.get(node) ?? { networks: 0, ports: 0 };
  }

  /** Ports that one network needs. */
  portsOf(network: string): number {
    this.#follow();
    return this.#networks.get(network)?.ports ?? 0;
  }

  #follow(): void {
    if (this.#isFollowing) return;
    this.#isFollowing = true;
    const store = this.#store;
    for (const { value } of store.peekList<InterfaceRecord>(keys.interfaces)) this.#count(undefined, value);
    for (const { value } of store.peekList<NetworkRecord>(keys.networks)) this.#place(value.uuid, value);
    store.onChange((changes) => {
      for (const { key, before, after } of changes) {
        if (key.startsWith(keys.networks)) {
          this.#place(key.slice(keys.networks.length), after?.value as NetworkRecord | undefined);
        } else if (key.startsWith(keys.interfaces)) {
          const [was, is] = [before?.value, after?.value] as (InterfaceRecord | undefined)[];
          const network = this.#count(was, is);
          if (network !== undefined) this.#place(network, store.peek<NetworkRecord>(keys.network(network))?.value);
        }
      }
    });
  }

  /** Counts a change of the floating address of an interface. Returns its network, if the number has changed. */
  #count(before: InterfaceRecord | undefined, after: InterfaceRecord | undefined): string | undefined {
    const difference = Number(after?.floating !== undefined) - Number(before?.floating !== undefined);
    const network = after?.network ?? before?.network;
    if (difference === 0 || network === undefined) return undefined;
    const count = (this.#floating.get(network) ?? 0) + difference;
    if (count > 0) this.#floating.set(network, count);
    else this.#floating.delete(network);
    return network;
  }

  #place(uuid: string, network: NetworkRecord | undefined): void {
    const before = this.#networks.get(uuid);
    if (before !== undefined) this.#add(before, -1);
    this.#networks.delete(uuid);
    if (network === undefined) return;
    const ports = Number(network.egress !== undefined) + (this.#floating.get(uuid) ?? 0);
    const part = { router: routerIn(this.#store, network), ports };
    this.#networks.set(uuid, part);
    this.#add(part, 1);
  }

  #add({ router, ports }: Part, sign: 1 | -1): void {
    const { networks, ports: used } = this.#nodes.get(router) ?? { networks: 0, ports: 0 };
    this.#nodes.set(router, { networks: networks + sign, ports: used + sign * ports });
  }
}
