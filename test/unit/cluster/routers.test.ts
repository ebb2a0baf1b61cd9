import { describe, expect, it } from 'vitest';
import { ClusterRouters } from '../../../src/cluster/cluster-routers.js';
import type { ClusterContext } from '../../../src/cluster/types.js';
import { CapacityError, ConflictError, NotFoundError } from '../../../src/errors.js';
import type { Change } from '../../../src/store/etcd/replica.js';
import type { Json } from '../../../src/store/store.js';

/** The replica of a cluster, with only what the choice of a router reads. */
class Replica {
  readonly #entries = new Map<string, Json>();
  #listener: (changes: readonly Change[]) => void = () => undefined;

  readonly routers = new ClusterRouters(() => ({ store: this }) as unknown as ClusterContext);

  peek = (key: string) => this.#entry(key);
  peekList = (prefix: string) =>
    [...this.#entries.keys()].filter((key) => key.startsWith(prefix)).map((key) => this.#entry(key));
  onChange = (listener: (changes: readonly Change[]) => void) => {
    this.#listener = listener;
  };

  put(key: string, value: Json | undefined): void {
    const before = this.#entry(key);
    if (value === undefined) this.#entries.delete(key);
    else this.#entries.set(key, value);
    this.#listener([{ key, before, after: this.#entry(key) } as Change]);
  }

  node(name: string, properties: { [name: string]: Json } = {}): void {
    const record = { name, floatingPool: 'default', egressBridge: { name: `egr-br-${name}` }, ...properties };
    this.put(`network-node/${name}`, record);
    this.put(`node/${name}`, { name, role: 'network' });
  }

  network(uuid: string, router: string, nat = true): void {
    this.put(`network/${uuid}`, { uuid, router, ...(nat && { egress: { address: '192.0.2.1' } }) });
  }

  #entry(key: string) {
    const value = this.#entries.get(key);
    return value === undefined ? undefined : { key, value, version: 1 };
  }
}

function twoNodes(): Replica {
  const replica = new Replica();
  replica.node('node1');
  replica.node('node2');
  return replica;
}

/** Fills the egress bridge of a node. */
function fill(replica: Replica, node: string, ports: number): void {
  for (let count = 0; count < ports; count++) replica.network(`${node}-${count}`, node);
}

const wanted = { provideNat: true };

describe('the router of a new network', () => {
  it('is the node with the fewest used ports; a floating address counts as one', () => {
    const replica = twoNodes();
    expect(replica.routers.choose(wanted)).toEqual({ router: 'node1', floatingPool: 'default' });
    replica.network('a', 'node1');
    expect(replica.routers.choose(wanted).router).toBe('node2');
    replica.network('b', 'node2');
    replica.put('interface/i', { network: 'b', floating: { address: '192.0.2.2' } });
    expect(replica.routers.choose(wanted).router).toBe('node1');
    replica.network('b', 'node1');
    expect(replica.routers.loadOf('node1')).toEqual({ networks: 2, ports: 3 });
    expect(replica.routers.choose(wanted).router).toBe('node2');
    replica.put('interface/i', { network: 'b' });
    replica.put('network/a', undefined);
    expect(replica.routers.loadOf('node1')).toEqual({ networks: 1, ports: 1 });
    expect(replica.routers.loadOf('node2')).toEqual({ networks: 0, ports: 0 });
  });

  it('counts what was there before the first choice', () => {
    const replica = twoNodes();
    replica.put('interface/i', { network: 'a', floating: { address: '192.0.2.2' } });
    replica.network('a', 'node1');
    expect(replica.routers.loadOf('node1')).toEqual({ networks: 1, ports: 2 });
  });

  it('is another node if one is full, also for networks without NAT if there are fewer of them', () => {
    const replica = twoNodes();
    fill(replica, 'node1', 1023);
    for (let count = 0; count < 5; count++) replica.network(`other${count}`, 'node2');
    expect(replica.routers.choose(wanted).router).toBe('node2');
    expect(() => replica.routers.choose({ ...wanted, router: 'node1' })).toThrow(CapacityError);
    expect(replica.routers.choose({ provideNat: false, router: 'node1' }).router).toBe('node1');
  });

  it('does not exist if all nodes are full: the error has the numbers', () => {
    const replica = twoNodes();
    fill(replica, 'node1', 1023);
    fill(replica, 'node2', 1024);
    const numbers = 'no network node has a free port of its egress bridge: node1 1023 of 1023, node2 1024 of 1023';
    expect(() => replica.routers.choose(wanted)).toThrow(numbers);
    expect(() => replica.routers.choose(wanted)).toThrow(CapacityError);
    replica.put('network/node1-7', undefined);
    expect(replica.routers.choose(wanted).router).toBe('node1');
  });

  it('is a member before a node that is gone, and never a cordoned node', () => {
    const replica = twoNodes();
    replica.put('node/node1', undefined);
    replica.network('a', 'node2');
    expect(replica.routers.choose(wanted).router).toBe('node2');
    replica.node('node2', { isCordoned: true });
    expect(replica.routers.choose(wanted).router).toBe('node1');
    replica.node('node1', { isCordoned: true });
    expect(() => replica.routers.choose(wanted)).toThrow(ConflictError);
  });

  it('serves the wanted pool, or the default pool', () => {
    const replica = twoNodes();
    replica.node('node3', { floatingPool: 'blue' });
    replica.network('a', 'node1');
    replica.network('b', 'node2');
    expect(replica.routers.choose(wanted).router).toBe('node1');
    expect(replica.routers.choose({ ...wanted, floatingPool: 'blue' }).router).toBe('node3');
    expect(replica.routers.choose({ ...wanted, router: 'node3' }).floatingPool).toBe('blue');
    expect(() => replica.routers.choose({ ...wanted, router: 'node1', floatingPool: 'blue' })).toThrow(ConflictError);
    expect(() => replica.routers.choose({ ...wanted, floatingPool: 'red' })).toThrow(NotFoundError);
    expect(() => replica.routers.choose({ ...wanted, router: 'node9' })).toThrow(NotFoundError);
  });
});
